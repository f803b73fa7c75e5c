"""Each process's sign of life, and what is read from them."""

import threading
import time
from datetime import timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from db.monitoring import heartbeats
from db.monitoring.heartbeats import Heartbeat
from db.session import driver_connection, reading, writing
from tests.failed import AT


def beat(process: str, kind: str = "worker", at=AT, done: int = 0, seconds: float = 10.0) -> None:
    with driver_connection(durable=False) as driver:
        heartbeats.beat(driver, process, kind, AT, at, done, seconds)


def test_a_process_is_alive_for_a_minute_after_its_sign(database):
    beat("host:1")
    beat("host:1", at=AT + timedelta(seconds=50))
    beat("host:2", "sender", done=300)
    beat("host:3", "clock")
    with reading() as session:
        alive = heartbeats.alive(session, AT + timedelta(seconds=61))
        assert {kind: [each.process for each in found] for kind, found in alive.items()} == {
            "worker": ["host:1"], "sender": [], "clock": [],
        }  # fmt: skip
        assert heartbeats.rate(session, "sender", AT) == 30
        last = heartbeats.last_seen(session, "clock")
        assert last is not None
        assert (last.process, last.at) == ("host:3", AT)


def test_nobody_can_say_a_rate_before_a_sender_that_is_alive_has_measured_one(database):
    with reading() as session:
        assert heartbeats.first_start(session) is None
    beat("host:1", "sender", seconds=0.0)
    beat("host:2", "worker", done=300)
    with reading() as session:
        assert heartbeats.rate(session, "sender", AT) is None
        assert heartbeats.first_start(session) == AT
    beat("host:1", "sender", done=0)
    with reading() as session:
        assert heartbeats.rate(session, "sender", AT) == 0.0
        half_a_minute = timedelta(seconds=30)
        assert heartbeats.rate(session, "sender", AT + half_a_minute, half_a_minute) == 0.0
        assert heartbeats.rate(session, "sender", AT + timedelta(seconds=31), half_a_minute) is None


def test_a_moment_in_another_zone_is_kept_as_the_same_instant(database):
    beat("host:1", "clock", at=AT.astimezone(timezone(timedelta(hours=9))))
    with reading() as session:
        last = heartbeats.last_seen(session, "clock")
        assert last is not None
        assert last.at == AT


def test_the_clock_forgets_who_was_not_seen_for_a_day(database):
    beat("host:1")
    beat("host:2", at=AT + timedelta(hours=23))
    beat("host:3", "clock", at=AT + timedelta(hours=25))
    with reading() as session:
        assert set(session.scalars(select(Heartbeat.process))) == {"host:2", "host:3"}


def test_a_sign_of_life_does_not_wait_long_for_another_writer(sqlite):
    held, over = threading.Event(), threading.Event()

    def write() -> None:
        with writing() as session:
            session.connection()
            held.set()
            over.wait(20)

    writer = threading.Thread(target=write)
    writer.start()
    assert held.wait(20)
    began = time.monotonic()
    try:
        with pytest.raises(OperationalError):
            beat("host:1")
        assert time.monotonic() - began < 5
    finally:
        over.set()
        writer.join()
    beat("host:1")
    with reading() as session:
        assert session.get(Heartbeat, "host:1") is not None
