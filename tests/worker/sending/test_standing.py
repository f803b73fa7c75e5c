"""How many connections stand at the mail server: no more than it allows, and than all senders may have together."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from db.deliveries.claiming import claims
from db.deliveries.claiming.claims import Batch, Terms
from db.deliveries.limits import breakers
from db.session import reading, writing
from tests.claiming import begin
from tests.emails.scripted_smtp import WELL, ScriptedServer
from tests.transports import digest, run, states
from worker.sending import mail_connections, send_slice

FULL = "421 4.7.0 too many connections from you"


class Guarded(ScriptedServer):
    """A mail server that lets `limit` connections in; `most` is how many stood at once."""

    limit = 99
    most = 0
    greeted: Callable[[], object] = staticmethod(lambda: None)

    def __enter__(self) -> "Guarded":
        self._lock, self._inside = threading.Lock(), set[int]()
        super().__enter__()
        return self

    @property
    def standing(self) -> int:
        return len(self._inside)

    def wait_until_standing(self, number: int) -> None:
        end = time.monotonic() + 5
        while self.standing != number and time.monotonic() < end:
            time.sleep(0.01)
        assert self.standing == number

    def _said(self, step: str) -> str:
        if step != "greeting":
            return super()._said(step)
        with self._lock:
            if self.standing >= self.limit:
                return FULL
            self._inside.add(threading.get_ident())
            self.most = max(self.most, self.standing)
        self.greeted()
        return WELL[step]

    def _speak(self, connection) -> None:
        try:
            super()._speak(connection)
        finally:
            self._inside.discard(threading.get_ident())


@pytest.fixture
def server(database, clock, setting, monkeypatch) -> Iterator[Guarded]:
    monkeypatch.setattr(mail_connections, "_kept", {})
    monkeypatch.setattr(send_slice, "_histories", {})
    monkeypatch.setattr(send_slice, "_paces", {})
    with Guarded() as made:
        setting(
            MAIL_URL=f"smtp://127.0.0.1:{made.port}", MAIL_FROM="Verdicts <digest@verdicts.example>", SEND_CONNECTIONS=4
        )
        yield made


def open_now() -> list[breakers.Breaker]:
    with reading() as session:
        return breakers.open_breakers(session)


def elsewhere(number: int, clock, connections: int) -> None:
    """So many connections are at work on another host."""
    terms = Terms("elsewhere", 1, 4, timedelta(seconds=30), connections=9)
    for _ in range(connections):
        with writing() as session:
            batch = claims.claim(session, terms, number, clock.now)
        assert isinstance(batch, Batch)
        begin(batch, clock.now)


# ---- a server that has a limit of its own ------------------------------------------------------------------


def test_a_server_that_lets_fewer_in_is_sent_to_over_those(server, clock):
    server.limit = 2
    digest(clock, 60)
    with capture_logs() as said:
        run()
    assert states() == {"sent": 60}
    assert server.most == 2
    assert open_now() == []
    [warning] = [each for each in said if each["event"] == "connections refused"]
    assert (warning["log_level"], warning["refused"], warning["reply"]) == ("warning", 2, FULL)


def test_a_letter_that_was_taken_closes_the_breaker_though_a_connection_was_refused(server, clock):
    server.limit = 1
    digest(clock, 5)
    with writing() as session:
        breakers.refused(session, f"smtp://127.0.0.1:{server.port}", "421 later", clock.now - timedelta(hours=1))
    run()
    assert states() == {"sent": 5}
    assert open_now() == []


def test_a_server_that_lets_nobody_in_is_left_alone_by_everybody(server, clock):
    server.limit = 0
    digest(clock, 5)
    assert run() is False
    assert states() == {"pending": 5}
    [breaker] = open_now()
    assert (breaker.failures, breaker.reply) == (1, FULL)
    run()
    assert server.connections == 4, "none was tried while the breaker is open"


def test_a_server_that_is_full_with_another_senders_connections_is_open(server, clock):
    server.limit = 0
    elsewhere(digest(clock, 5), clock, 1)
    run()
    assert states() == {"pending": 4, "sending": 1}
    assert open_now() == []


# ---- what all senders may have together --------------------------------------------------------------------


def test_a_sender_opens_no_connection_while_others_have_them_all(server, clock):
    elsewhere(digest(clock, 60), clock, 4)
    run()
    assert server.connections == 0
    assert states() == {"pending": 56, "sending": 4}


def test_whoever_is_told_that_none_is_free_hangs_up(server, clock, setting):
    setting(SEND_CONNECTIONS=2)
    number = digest(clock, 60)
    # Another host claims between this one's question and its first claim.
    server.greeted = threading.Barrier(2, lambda: elsewhere(number, clock, 2)).wait
    run()
    assert server.connections == 2
    server.wait_until_standing(0)
    assert states() == {"pending": 58, "sending": 2}


def test_connections_kept_from_before_are_left_to_those_who_need_them(server, clock):
    number = digest(clock, 60)
    send_slice.run_slice(time.monotonic())
    server.wait_until_standing(4)
    elsewhere(number, clock, 4)
    run()
    server.wait_until_standing(0)
    clock.forward(minutes=1)  # the others are gone
    send_slice.recover()
    run()
    assert states() == {"sent": 56, "unknown": 4}
    assert server.connections == 8
