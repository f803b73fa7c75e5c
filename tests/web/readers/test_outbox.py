"""A newcomer without a mail server reads the letters in the browser; nobody else does."""

import os
from email.message import EmailMessage

import pytest

from web.app import create_app

LINK = "http://localhost:8000/confirm/" + "x" * 40


@pytest.fixture
def client(sqlite):
    return create_app().test_client()


@pytest.fixture
def put(house):
    """`put(name, subject)`: a letter in the Maildir."""
    folder = house / "var/outbox"
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(parents=True)

    def made(name, subject="Was it you?", at=1_000, raw=None):
        message = EmailMessage()
        message["Subject"], message["To"] = subject, "alice@reader.example"
        message.set_content(f"Press {LINK}. Or not <b>\n")
        message.add_alternative(f'<html><head></head><a href="{LINK}">Confirm</a></html>', subtype="html")
        path = folder / "new" / name
        path.write_bytes(raw if raw is not None else message.as_bytes().replace(b"\n", b"\r\n"))
        os.utime(path, (at, at))

    return made


def test_an_empty_outbox_says_how_to_fill_it(client):
    answer = client.get("/outbox")
    assert answer.status_code == 200
    assert "No emails yet" in answer.text


def test_letters_stand_newest_first(client, put):
    put("1.a", "The older", at=1_000)
    put("2.b", "The <i>newer</i> 🎉", at=2_000)
    page = client.get("/outbox").text
    assert page.index("The &lt;i&gt;newer&lt;/i&gt; 🎉") < page.index("The older")
    assert 'href="/outbox"' in client.get("/subscribe").text


def test_a_letter_is_read_in_both_parts_and_its_links_work(client, put):
    put("1.a")
    page = client.get("/outbox/1.a").text
    assert f'<a href="{LINK}">{LINK}</a>. Or not &lt;b&gt;' in page
    assert "alice@reader.example" in page
    assert 'sandbox="allow-top-navigation-by-user-activation"' in page
    html = client.get("/outbox/1.a/html")
    assert '<base target="_top">' in html.text
    assert "sandbox" in html.headers["Content-Security-Policy"]
    assert "default-src 'none'" in html.headers["Content-Security-Policy"]
    assert html.headers["Cache-Control"] == "no-store"


ODD = (
    b"",
    b"\0\xff",
    b"Subject: =?x?q?=ff?=\n\nbody",
    b"Content-Type: multipart/mixed\n\nx",
    b"Content-Type: text/html; charset=nothing\n\n<p>x",
    b"Date: never\n\n",
)


def test_a_letter_of_any_shape_can_be_opened(client, put):
    for number, raw in enumerate(ODD):
        put(f"{number}.odd", raw=raw)
        assert client.get("/outbox").status_code == 200
        assert client.get(f"/outbox/{number}.odd").status_code == 200
        assert client.get(f"/outbox/{number}.odd/html").status_code == 200


def test_nothing_but_letters_is_read(client, put, house):
    put("1.a")
    (house / "var/secret").write_text("secret")
    for name in ("..", "../secret", "..%2f..%2fsecret", "%2e%2e%2fsecret", "nothing", "x" * 4000, "%00", ".hidden"):
        answer = client.get(f"/outbox/{name}")
        assert answer.status_code in (404, 308), name
        assert "secret" not in answer.text.replace("/secret", "")


@pytest.mark.parametrize(
    "variables",
    [{"MAIL_URL": "smtp://127.0.0.1:25"}, {"BASE_URL": "https://verdicts.example"}, {"BASE_URL": "http://10.0.0.1"}],
)
def test_it_is_closed_with_a_mail_server_or_a_public_site(sqlite, put, setting, variables):
    put("1.a")
    setting(**variables)
    client = create_app().test_client()
    for path in ("/outbox", "/outbox/1.a", "/outbox/1.a/html"):
        assert client.get(path).status_code == 404
    assert "/outbox" not in client.get("/subscribe").text


def test_it_is_closed_to_who_comes_by_another_name(client, put):
    put("1.a")
    assert client.get("/outbox", headers={"Host": "verdicts.example"}).status_code == 421
    assert client.get("/outbox", headers={"Host": "127.0.0.1:8000"}).status_code == 200


@pytest.mark.parametrize("proxies", [0, 1, 2])
@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "198.51.100.7, 127.0.0.1"},
        {"X_Forwarded_For": ""},
        {"X-Forwarded-Host": "localhost"},
        {"X-Forwarded-Proto": "http"},
        {"X-Forwarded-Server": "front"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 varnish"},
        {"X-Real-IP": "127.0.0.1"},
        {"CF-Connecting-IP": "127.0.0.1"},
        {"True-Client-IP": "127.0.0.1"},
        {"X-Envoy-External-Address": "127.0.0.1"},
    ],
)
def test_it_is_closed_to_whoever_comes_through_a_proxy(sqlite, put, setting, proxies, header):
    setting(TRUSTED_PROXIES=proxies)
    put("1.a")
    client = create_app().test_client()
    for path in ("/outbox", "/outbox/1.a", "/outbox/1.a/html"):
        assert client.get(path).status_code == 200
        assert client.get(path, headers=header).status_code == 404
    assert "/outbox" not in client.get("/subscribe", headers=header).text


@pytest.mark.parametrize(
    ("address", "status"),
    [("127.0.0.1", 200), ("127.8.8.8", 200), ("::1", 200), ("::ffff:127.0.0.1", 200),
     ("192.168.1.20", 404), ("::ffff:192.168.1.20", 404), ("fe80::1", 404), ("198.51.100.7", 404), ("", 404)],
)  # fmt: skip
def test_it_is_open_to_this_machine_alone(client, put, address, status):
    put("1.a")
    assert client.get("/outbox/1.a", environ_overrides={"REMOTE_ADDR": address}).status_code == status


@pytest.mark.parametrize(("protocol", "status"), [("HTTP/1.1", 200), ("HTTP/1.0", 404), ("HTTP/1", 404)])
def test_it_is_closed_to_a_proxy_that_says_nothing_but_speaks_as_nginx_does_by_default(client, put, protocol, status):
    put("1.a")
    assert client.get("/outbox", environ_overrides={"SERVER_PROTOCOL": protocol}).status_code == status
