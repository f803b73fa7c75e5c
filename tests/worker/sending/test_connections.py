"""Several connections at once: each of them has letters to send, also in a digest to a few hundred readers."""

import threading
import time

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from db import rules
from emails.replies import Following, Meanwhile, Outcome, Outgoing, judge
from tests.transports import digest, states
from worker.sending import mail_connections, send_slice, slice_run


class FarDoor:
    """A door behind which every letter takes 50 ms; all of them together know how many were busy at once."""

    certain = False
    busy: int
    most: int
    lock: threading.Lock

    def connect(self) -> Outcome | None:
        return None

    def send(self, letter: Outgoing, following: Following, meanwhile: Meanwhile) -> Outcome:
        with self.lock:
            type(self).busy += 1
            type(self).most = max(self.most, self.busy)
        time.sleep(0.05)
        with self.lock:
            type(self).busy -= 1
        return judge("dot", 250, "2.0.0 taken")

    def close(self) -> None:
        pass


@pytest.fixture
def doors(database, setting, monkeypatch) -> type[FarDoor]:
    setting(MAIL_URL="smtp://relay.example:25", MAIL_FROM="Verdicts <digest@verdicts.example>", SEND_CONNECTIONS=16)
    FarDoor.busy = FarDoor.most = 0
    FarDoor.lock = threading.Lock()
    monkeypatch.setattr(mail_connections, "transport_of", lambda config: FarDoor())
    monkeypatch.setattr(mail_connections, "_kept", {})
    monkeypatch.setattr(send_slice, "_paces", {})
    return FarDoor


def test_sixteen_connections_share_a_digest_to_a_few_hundred_readers(doors, clock):
    digest(clock, 240)
    send_slice.run_slice(time.monotonic() + 60)
    assert states() == {"sent": 240}
    assert doors.most >= 9


@pytest.mark.parametrize(("pace", "letters"), [(0, 24), (0.001, 200), (0.04, 25), (5, 1)])
def test_a_batch_is_some_second_of_work(pace, letters):
    assert rules.batch(pace) == letters


def test_a_connection_that_gets_no_database_session_leaves_and_the_others_send(doors, clock, monkeypatch):
    refused_sessions(monkeypatch, 5)
    digest(clock, 240)
    send_slice.run_slice(time.monotonic() + 60)
    assert states() == {"sent": 240}
    assert doors.most <= 11


def test_a_slice_for_which_there_is_no_database_session_says_so(doors, clock, monkeypatch):
    refused_sessions(monkeypatch, 16)
    digest(clock, 20)
    with pytest.raises(slice_run.SliceFailed, match="too many clients"):
        send_slice.run_slice(time.monotonic() + 60)
    assert states() == {"pending": 20}


def refused_sessions(monkeypatch, number: int) -> None:
    """The first so many connections of a slice get no session."""
    real, left = slice_run.driver_connection, iter(range(number))

    def none_left():
        if next(left, None) is not None:
            raise OperationalError("connect", None, psycopg.OperationalError("sorry, too many clients already"))
        return real()

    monkeypatch.setattr(slice_run, "driver_connection", none_left)
