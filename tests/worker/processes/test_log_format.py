"""LOG_FORMAT: lines for people, or one JSON object a line, whoever writes them, with ids and without addresses."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from db import moments
from db.jobs import jobs
from db.jobs.events import ComparisonPublished
from db.session import writing
from tests.applications import application
from worker.jobs import reactions
from worker.jobs.jobs import work
from worker.processes import logs


@pytest.fixture
def entries(setting, capsys):
    setting(LOG_FORMAT="json")

    def read() -> list[dict[str, object]]:
        told = capsys.readouterr()
        return [json.loads(line) for line in (told.out + told.err).splitlines()]

    return read


@pytest.fixture
def taken_over() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.take_over()
    yield
    root.handlers[:], root.level = before


def test_an_entry_is_one_object_with_its_keys(entries):
    structlog.get_logger("mail").warning("letter deferred", delivery=7, reply="451 4.7.1 later\r\nplease")
    [entry] = entries()
    assert (entry["event"], entry["level"], entry["logger"]) == ("letter deferred", "warning", "mail")
    assert (entry["delivery"], entry["reply"], entry["pid"]) == (7, "451 4.7.1 later\r\nplease", os.getpid())
    assert str(entry["timestamp"]).endswith("Z")


def test_a_traceback_is_one_key_of_the_same_line(entries):
    try:
        raise RuntimeError("no composer")
    except RuntimeError:
        structlog.get_logger("mail").exception("letter cannot be composed", delivery=7)
    [entry] = entries()
    assert "RuntimeError: no composer" in str(entry["exception"])
    assert entry["delivery"] == 7


@pytest.mark.parametrize("before", ["", "\x07", "\n", "\u2028", '"', "\\", "\ud800"])
def test_an_address_is_masked_whatever_stands_before_it(entries, before):
    structlog.get_logger("mail").error(
        "relay refuses", told=f"{before}Alice@reader.example", more=[{"a": "b@c.example"}]
    )
    [entry] = entries()
    assert "reader.example" not in str(entry)
    assert entry["more"] == [{"a": "b…@c….example"}] or "@c.example" not in str(entry["more"])


def test_libraries_write_the_same_lines(entries, taken_over):
    logging.getLogger("some.library").error("Message Error: %s", "no space left for alice@reader.example")
    try:
        raise LookupError("nothing there")
    except LookupError:
        logging.getLogger("another.library").exception("failed")
    told, failed = entries()
    assert (told["logger"], told["level"]) == ("some.library", "error")
    assert told["event"] == "Message Error: no space left for a…@r….example"
    assert "LookupError: nothing there" in str(failed["exception"])


def test_in_text_libraries_write_lines_like_ours(setting, capsys, taken_over):
    logging.getLogger("some.library").error("no rings")
    structlog.get_logger("mail").error("no letters")
    told = capsys.readouterr()
    assert "no rings" in told.err
    assert "no letters" in told.out
    assert "{" not in told.err + told.out


def test_what_a_reaction_logs_names_its_job(entries, sqlite, clock, monkeypatch):
    def tell(*_: object) -> None:
        structlog.get_logger("drafts").warning("nothing to draft")

    monkeypatch.setitem(reactions.REACTIONS, ComparisonPublished, (tell,))
    with writing() as session:
        jobs.record(session, ComparisonPublished(1), moments.now())
    work()
    [entry] = [each for each in entries() if each["logger"] == "drafts"]
    assert entry["job"] == 1


# ---- requests --------------------------------------------------------------------------------------------------


@pytest.fixture
def broken(monkeypatch):
    """An application whose archive fails."""

    def make(**settings: object):
        app = application()
        monkeypatch.setitem(app.view_functions, "pages.archive", lambda: 1 / 0)
        return app.test_client()

    return make


def test_a_mistake_names_its_request_and_the_answer_does_too(entries, sqlite, broken):
    answer = broken().get("/archive", headers={"X-Request-ID": "from-a-stranger"})
    [entry] = [each for each in entries() if each["event"] == "a page failed"]
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] == entry["request"] != "from-a-stranger"
    assert entry["route"] == "GET /archive"
    assert "ZeroDivisionError" in str(entry["exception"])


def test_a_trusted_proxy_names_the_request(entries, setting, sqlite, broken):
    setting(TRUSTED_PROXIES=1)
    client = broken()
    answer = client.get("/archive", headers={"X-Request-ID": "7f3a2b1c-proxy"})
    assert answer.headers["X-Request-ID"] == "7f3a2b1c-proxy"
    for forged in ("short", "a" * 65, "with space in it", 'quote"quote"', "alice@reader.example"):
        assert client.get("/archive", headers={"X-Request-ID": forged}).headers["X-Request-ID"] != forged


def test_after_a_request_nothing_is_named(entries, sqlite):
    application().test_client().get("/archive")
    assert structlog.contextvars.get_contextvars() == {}


# ---- real processes --------------------------------------------------------------------------------------------


@pytest.mark.waits
def test_the_clock_logs_json_alone(house, sqlite):
    """Celery would wrap each line in a format of its own."""
    program = [sys.executable, "-m", "celery", "--quiet", "--app", "worker.app", "beat", "--pidfile=",
               "--loglevel", "WARNING"]  # fmt: skip
    given = {**os.environ, "LOG_FORMAT": "json", "REDIS_URL": "redis://127.0.0.1:1/0", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(program, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as clock:
        try:
            line = clock.stdout.readline()
        finally:
            clock.kill()
    assert json.loads(line)["logger"].startswith("celery")
