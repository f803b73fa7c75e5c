"""The doctor goes the way that readers go, and says what a proxy has to pass on."""

import socket
import threading
import time

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from web.app import create_app
from web.cli import main
from web.cli.doctor import public
from web.cli.doctor.public import Answer, told

SITE = "https://verdicts.example"
pytestmark = pytest.mark.once


@pytest.fixture
def behind(setting, sqlite, redis_url, monkeypatch):
    """`behind(proxy)`: the doctor's findings on a public site whose readers come through this WSGI middleware."""
    servers = []

    def found(proxy):
        server = make_server("127.0.0.1", 0, lambda *given: proxy(app)(*given), threaded=True)
        servers.append(server)
        setting(BASE_URL=f"http://verdicts.example:{server.port}")
        app = create_app()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket, "getaddrinfo",
            lambda host, *more, **named: real("127.0.0.1" if host == "verdicts.example" else host, *more, **named),
        )  # fmt: skip
        done = CliRunner().invoke(main, ["doctor"])
        return "\n".join(line for line in done.output.splitlines() if "public address" in line)

    yield found
    for server in servers:
        server.shutdown()


def test_a_proxy_that_passes_the_host_on_is_well(behind):
    assert behind(lambda app: app).startswith("✓ public address: http://verdicts.example:")


def test_nginxs_default_is_named_before_a_reader_meets_it(behind):
    def proxy(app):
        return lambda environ, start: app(environ | {"HTTP_HOST": "verdicts_upstream"}, start)

    line = behind(proxy)
    assert line.startswith("✕ public address")
    assert "proxy_set_header Host $host" in line


def test_a_proxy_that_lets_everybody_read_the_metrics_is_named(behind):
    def proxy(app):
        """A bare nginx: it asks by its upstream's name, and adds no header."""
        return lambda environ, start: app(environ | {"HTTP_HOST": "127.0.0.1:8000"}, start)

    line = behind(proxy)
    assert "/metrics can be read by everybody" in line
    assert "X-Forwarded-For" in line


def test_a_proxy_that_never_answers_is_not_waited_for(behind, monkeypatch):
    monkeypatch.setattr(public, "PATIENCE", 0.3)

    def proxy(_app):
        return lambda *_: time.sleep(3) or []

    assert "has not answered" in behind(proxy)


def test_a_site_on_this_machine_alone_is_not_asked(sqlite, redis_url):
    assert "public address" not in CliRunner().invoke(main, ["doctor"]).output


@pytest.mark.parametrize(
    ("answer", "well", "words"),
    [
        (Answer(200, ""), True, "answers"),
        (Answer(503, ""), None, "answers 503"),
        (Answer(502, ""), None, "does not reach the web processes"),
        (Answer(404, ""), None, "answers 404"),
        (Answer(421, ""), False, "proxy_set_header Host $host"),
        (Answer(301, "https://www.verdicts.example/"), False, "set BASE_URL"),
        (Answer(301, "https://["), False, "set BASE_URL"),
        (Answer(302, "/archive"), True, "answers"),
        (Answer(302, "https://Verdicts.example/archive"), True, "answers"),
    ],
)
def test_what_an_answer_means(answer, well, words):
    found, sentence = told(answer, SITE)
    assert found is well
    assert words in sentence


def test_a_name_that_nobody_knows_is_a_warning(setting, monkeypatch):
    def unknown(*_given, **_named):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert list(public.way(setting(BASE_URL=SITE))) == [
        (None, f"this machine's name server does not know the host of {SITE}")
    ]
