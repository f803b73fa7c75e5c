"""Claims of several hosts: each waits for the others' lock, but not for ever, and each host takes its share."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest

from db.deliveries.claiming import settlements
from db.deliveries.limits import rate_limits
from db.driver import driver_connection
from db.monitoring import heartbeats
from db.monitoring.heartbeats import Marks, RunsAs
from db.session import writing
from tests.transports import digest, run, states
from worker.processes import turns
from worker.sending import mail_connections, send_slice, slice_run
from worker.sending.pace import Pace
from worker.sending.send_slice import SliceFailed


@contextmanager
def someone_amid_a_claim(clock) -> Iterator[threading.Event]:
    """Another host holds the row that all claims lock, until the event is set."""
    locked, over = threading.Event(), threading.Event()

    def hold() -> None:
        with writing() as session:
            rate_limits.lock(session, rate_limits.EVERYBODY, clock.now)
            locked.set()
            over.wait(20)

    other = threading.Thread(target=hold)
    other.start()
    locked.wait(20)
    try:
        yield over
    finally:
        over.set()
        other.join()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_slice_waits_for_a_lock_only_while_it_lasts(door, clock, setting, monkeypatch):
    monkeypatch.setattr(rate_limits, "LOCK_WAIT", "100ms")
    setting(SEND_CONNECTIONS=3)
    digest(clock, 20)
    with someone_amid_a_claim(clock):
        began = time.monotonic()
        with pytest.raises(SliceFailed, match="lock timeout"):
            send_slice.run_slice(began + 0.5)
        assert time.monotonic() - began < 30, "whoever holds the lock would do so for ever"
    assert states() == {"pending": 20}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_lock_that_is_let_go_delays_a_slice_and_fails_nothing(door, clock, setting, monkeypatch):
    monkeypatch.setattr(rate_limits, "LOCK_WAIT", "100ms")
    setting(SEND_CONNECTIONS=3)
    digest(clock, 20)
    with someone_amid_a_claim(clock) as over:
        threading.Timer(0.5, over.set).start()
        send_slice.run_slice(time.monotonic() + 30)
    assert states() == {"sent": 20}


def lives(process: str, now: datetime) -> None:
    """A sender's heartbeat."""
    with driver_connection(durable=False) as driver:
        heartbeats.beat(driver, process, "sender", now, now)


@pytest.mark.parametrize(("senders", "share"), [(0, 4), (1, 4), (2, 2), (3, 2), (9, 1)])
@pytest.mark.once
def test_each_sender_takes_its_share_of_the_connections(door, clock, setting, monkeypatch, senders, share):
    setting(SEND_CONNECTIONS=4)
    digest(clock, 5)
    for number in range(senders):
        lives(f"host-{number}:1", clock.now)
    asked = []
    monkeypatch.setattr(mail_connections, "of", lambda url, count: asked.append(count) or [door])
    send_slice.run_slice(time.monotonic() + 5)
    assert asked == [share]


@pytest.mark.once
def test_one_that_is_alone_again_takes_them_all(door, clock, setting, monkeypatch):
    setting(SEND_CONNECTIONS=4)
    digest(clock, 5)
    for number in range(2):
        lives(f"host-{number}:1", clock.now)
    lives("host-0:1", clock.forward(seconds=21))
    asked = []
    monkeypatch.setattr(mail_connections, "of", lambda url, count: asked.append(count) or [door])
    send_slice.run_slice(time.monotonic() + 5)
    assert asked == [4]


@pytest.mark.once
def test_a_slice_ends_when_another_sender_fails_so_that_the_next_one_takes_its_share(door, clock, setting, monkeypatch):
    setting(SEND_CONNECTIONS=4)
    monkeypatch.setattr(slice_run, "LOOKS_ROUND_EVERY", 0.0)
    monkeypatch.setattr(Pace, "batch", 4)
    digest(clock)
    for number in range(2):
        lives(f"host-{number}:1", clock.now)
    real = door.send

    def fails_meanwhile(*given, **named):
        with driver_connection(durable=False) as driver:
            told = RunsAs(), Marks(failed_at=clock.now, failure="refused")
            heartbeats.live(driver, "host-1:1", "sender", clock.now, clock.now, *told)
        return real(*given, **named)

    monkeypatch.setattr(door, "send", fails_meanwhile)
    asked = []
    monkeypatch.setattr(mail_connections, "of", lambda url, count: asked.append(count) or [door])
    assert send_slice.run_slice(time.monotonic() + 30) is True, "letters are left"
    assert send_slice.run_slice(time.monotonic() + 30) is False
    assert asked == [2, 4]


@pytest.mark.once
def test_on_sqlite_one_connection_of_a_process_settles_at_a_time(door, clock, setting, monkeypatch):
    inside, together, settle = [], [], settlements.settle

    def settling(*given):
        inside.append(threading.get_ident())
        time.sleep(0.001)
        together.append(len(inside))
        try:
            return settle(*given)
        finally:
            inside.pop()

    monkeypatch.setattr(settlements, "settle", settling)
    monkeypatch.setattr(turns, "PATIENCE", 60.0)
    setting(SEND_CONNECTIONS=4, SEND_WINDOW=1)
    digest(clock, 60)
    run()
    assert states() == {"sent": 60}
    assert set(together) == {1}
