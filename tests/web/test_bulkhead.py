"""Readers' pages never wait for a stuck writer, and whoever writes is told soon to come again."""

import http.client
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import pytest
from flask.testing import FlaskClient

from db.engine import engine
from db.errors import OperationalError
from tests.conftest import load_catalogue
from tests.crash.deployment import Deployment
from tests.crash.processes import until
from tests.hindered import held
from tests.house.test_procfile import options
from web import bulkhead, limits
from web.bulkhead import Bulkhead
from web.front.answers import RETRY_AFTER


class Answer:
    """What a client got, and after how many seconds."""

    def __init__(self, port: int, method: str, path: str, form: str | None = None) -> None:
        began = time.monotonic()
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        client.request(method, path, form, {"Content-Type": "application/x-www-form-urlencoded"} if form else {})
        answer = client.getresponse()
        self.text = answer.read().decode()
        self.status, self.retry_after = answer.status, answer.getheader("Retry-After")
        self.etag = answer.getheader("ETag")
        self.seconds = time.monotonic() - began
        client.close()


@pytest.fixture
def site(database, house, setting) -> Iterator[Deployment]:
    """The web line of the Procfile, with the catalogue."""
    load_catalogue()
    engine().dispose()
    made = Deployment(house, {"DATABASE_URL": database, "VOTES_PER_NETWORK": "0"})
    try:
        made.start_web()
        yield made
    finally:
        made.close()


@contextmanager
def voters(number: int, port: int) -> Iterator[list[Answer]]:
    """So many who press their button again and again; what they were answered."""
    answers: list[Answer] = []
    over = threading.Event()

    def vote() -> None:
        while not over.is_set():
            answers.append(Answer(port, "POST", "/tools/quillmate/vote", "choice=ship"))
            over.wait(0.2)

    threads = [threading.Thread(target=vote) for _ in range(number)]
    for each in threads:
        each.start()
    try:
        yield answers
    finally:
        over.set()
        for each in threads:
            each.join()


@pytest.mark.long
@pytest.mark.crash
@pytest.mark.timeout(120)
def test_pages_are_read_while_eight_voters_wait_for_somebody_who_holds_the_lock(site, house, database):
    assert Answer(site.port, "POST", "/tools/quillmate/vote", "choice=ship").status == 303
    pages = []
    with held(database, "votes"), voters(8, site.port) as answers:
        end = time.monotonic() + bulkhead.LOCK_SECONDS + 1.5
        while time.monotonic() < end:
            pages.append(Answer(site.port, "GET", "/compare/quillmate-vs-inkwell"))
            time.sleep(0.2)
    assert {page.status for page in pages} == {200}
    assert median(page.seconds for page in pages) < 1
    # The front names a few seconds to those for whom no thread is free, which on a busy machine may be some of them.
    refused = [answer for answer in answers if answer.retry_after != str(RETRY_AFTER)]
    assert {answer.status for answer in answers} == {503}
    assert {answer.retry_after for answer in refused} == {"60"}
    assert max(answer.seconds for answer in answers) < bulkhead.LOCK_SECONDS + 10
    assert all("We couldn’t save this just now, so nothing was changed." in answer.text for answer in refused)
    until(lambda: Answer(site.port, "POST", "/tools/quillmate/vote", "choice=skip").status == 303, "a vote")
    said = (house / "web.log").read_text()
    lines = [line for line in said.splitlines() if "POST /tools/<slug:slug>/vote" in line]
    assert len(lines) == len(refused)
    assert "Traceback" not in said
    assert max(map(len, said.splitlines())) < 200


def test_the_procfile_leaves_readers_a_thread():
    threads = int(options("web", "gunicorn")[options("web", "gunicorn").index("--threads") + 1])
    assert threads >= 3


# ---- places ------------------------------------------------------------------------------------------------------


@contextmanager
def others(number: int, places: Bulkhead) -> Iterator[threading.Event]:
    """So many threads inside, until the event is set."""
    leave, inside = threading.Event(), threading.Barrier(number + 1)

    def write() -> None:
        assert places.enter()
        inside.wait(10)
        leave.wait(10)
        places.leave()

    threads = [threading.Thread(target=write) for _ in range(number)]
    for each in threads:
        each.start()
    inside.wait(10)
    try:
        yield leave
    finally:
        leave.set()
        for each in threads:
            each.join()


def test_a_writer_waits_for_a_place_that_is_soon_given_back():
    places = Bulkhead(1)
    with others(1, places) as leave:
        threading.Timer(0.05, leave.set).start()
        assert places.enter()


def test_a_writer_is_refused_at_once_when_all_places_are_stuck(monkeypatch):
    places = Bulkhead(2)
    with others(2, places):
        began = time.monotonic()
        assert not places.enter()
        assert time.monotonic() - began >= bulkhead.PLACE_SECONDS * 0.9
        with monkeypatch.context() as patch:
            patch.setattr(places._changed, "wait", pytest.fail)
            assert not places.enter(), "by now they are stuck, and nobody waits any more"
    assert places.enter()


def test_who_never_got_a_place_gives_none_back():
    places = Bulkhead(1)
    with others(1, places):
        places.leave()
        assert not places.enter()


def test_another_server_than_the_front_has_no_bulkhead():
    places = Bulkhead(None)
    assert all(places.enter() for _ in range(100))


def test_a_process_knows_how_many_threads_the_front_has(monkeypatch):
    assert limits.web_threads() is None
    monkeypatch.setattr(limits, "_served_by", None)
    limits.served_by(2, 5)
    assert limits.web_threads() == 5


# ---- a silent database -------------------------------------------------------------------------------------------


@pytest.fixture
def silent(client, monkeypatch) -> tuple[FlaskClient, list[float | None]]:
    """A site whose database refuses each sign of life after as many seconds as stand in the list; None answers."""
    seconds: list[float | None] = [bulkhead.SILENT_SECONDS]

    def refuse(*_: object) -> None:
        if seconds[0] is not None:
            time.sleep(seconds[0])
            raise OperationalError("SELECT 1", None, sqlite3.OperationalError("disk I/O error"))

    monkeypatch.setattr("web.bulkhead.round_trip", refuse)
    monkeypatch.setattr("db.schema.check", refuse)
    return client, seconds


@pytest.mark.once
def test_one_request_asks_a_silent_database_and_the_others_are_refused_at_once(silent, monkeypatch):
    client, seconds = silent
    with monkeypatch.context() as patch:
        patch.setattr("web.readers.pages.reading", pytest.fail)
        answer = client.get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60"), "the page itself did not ask once more"
    silence = client.application.extensions["silence"]
    assert silence.known
    seconds[0] = 0.0
    assert client.get("/").status_code == 503, "the sign of life failed"
    seconds[0] = None
    with others(1, silence.places):
        assert client.get("/").status_code == 503, "another one asks"
        assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 200
    assert not silence.known


@pytest.mark.once
def test_a_database_that_refuses_fast_or_holds_a_lock_is_not_silent(silent):
    client, seconds = silent
    seconds[0] = 0.0
    client.get("/")
    assert not client.application.extensions["silence"].known


def test_nobody_waits_for_long_while_others_wait_for_the_database():
    places = Bulkhead(2, 0.2)
    with others(2, places) as leave:
        threading.Timer(0.1, leave.set).start()
        assert places.enter(), "somebody left soon"
        places.leave()
    with others(2, places):
        assert not places.enter()
