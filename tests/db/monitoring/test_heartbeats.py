"""Each process's sign of life, and what is read from them."""

import threading
import time
from datetime import timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from db.driver import driver_connection
from db.monitoring import heartbeats, runs_with
from db.monitoring.heartbeats import Heartbeat, Marks, RunsAs
from db.session import reading, writing
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
            "worker": ["host:1"], "sender": [], "outside": [], "clock": [],
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


WITH = RunsAs("host", "0.3.0", {"BASE_URL": "https://verdicts.example", "MAIL_URL": "smtp"})


def live(process: str, kind: str, at=AT, started_at=AT) -> None:
    with driver_connection(durable=False) as driver:
        heartbeats.live(driver, process, kind, started_at, at, WITH)


def test_what_runs_now_is_told_with_what_it_runs_with(database):
    live("host:1", "web")
    live("host:2", "clock", at=AT + timedelta(seconds=15))
    beat("old-host:3", "sender", at=AT + timedelta(seconds=15))  # as a process of 0.2.0 writes it
    with reading() as session:
        rows = heartbeats.running(session, AT + timedelta(seconds=20))
        assert [each.process for each in rows] == ["host:2", "old-host:3", "host:1"]
        assert [(each.host, each.release, each.runs_with) for each in rows] == [tuple(WITH), (None,) * 3, tuple(WITH)]
        rows = heartbeats.running(session, AT + timedelta(seconds=21))
        assert [each.process for each in rows] == ["host:2", "old-host:3"]


def test_senders_that_failed_since_their_last_letter_are_not_counted_among_those_who_send(database):
    later = AT + timedelta(seconds=5)
    of = {
        "idle:1": Marks(), "sends:2": Marks(taken_at=AT), "failed once:3": Marks(taken_at=later, failed_at=AT),
        "fails:4": Marks(taken_at=AT, failed_at=later, failure="no route"), "never began:5": Marks(failed_at=AT),
    }  # fmt: skip
    with reading() as session:
        assert heartbeats.senders_alive(session, AT) == 1, "whoever asks is one itself"
    with driver_connection(durable=False) as driver:
        for process, marks in of.items():
            heartbeats.live(driver, process, "sender", AT, AT, WITH, marks)
        heartbeats.live(driver, "no sender:6", "worker", AT, AT, WITH)
    beat("old-host:7", "sender")  # as a process of 0.3.0 writes it
    with reading() as session:
        assert heartbeats.senders_alive(session, AT + timedelta(seconds=20)) == 4
        assert heartbeats.senders_alive(session, AT + timedelta(seconds=21)) == 1


def test_a_worker_that_only_lives_is_not_at_work(database):
    beat("host:1", done=30)
    live("host:1", "worker", at=AT + timedelta(seconds=70))
    with reading() as session:
        assert heartbeats.alive(session, AT + timedelta(seconds=70))["worker"] == []
        assert heartbeats.rate(session, "worker", AT) == 3.0
        assert [each.process for each in heartbeats.running(session, AT + timedelta(seconds=70))] == ["host:1"]


def test_a_process_with_the_number_of_an_earlier_one_starts_anew(database):
    beat("host:1", "sender")
    live("host:1", "worker", at=AT + timedelta(hours=2), started_at=AT + timedelta(hours=2))
    with reading() as session:
        alive = heartbeats.alive(session, AT + timedelta(hours=2))
        assert {kind: len(found) for kind, found in alive.items()} == {
            "worker": 1,
            "sender": 0,
            "outside": 0,
            "clock": 0,
        }


def test_the_web_s_processes_are_nobody_at_work(database):
    live("host:1", "web")
    with reading() as session:
        assert heartbeats.alive(session, AT) == {"worker": [], "sender": [], "outside": [], "clock": []}
        assert heartbeats.first_start(session) is None


def test_the_clock_forgets_no_process_that_lives_without_work(database):
    beat("host:1")
    live("host:1", "worker", at=AT + timedelta(hours=25))
    beat("host:3", "clock", at=AT + timedelta(hours=25))
    with reading() as session:
        assert session.get(Heartbeat, "host:1") is not None


def test_what_a_process_runs_with_holds_no_secret(setting):
    config = setting(
        MAIL_URL="smtp+starttls://user:hunter2@relay.example:587",
        BASE_URL="https://verdicts.example",
        DIGEST_SCHEDULE="fri 17:30",
        DIGEST_TIMEZONE="Europe/Madrid",
        DIGEST_LEAD="90m",
    )
    told = runs_with.of(config)
    assert told["MAIL_URL"] == "smtp"
    assert (told["DIGEST_SCHEDULE"], told["DIGEST_TIMEZONE"]) == ("FRI 17:30", "Europe/Madrid")
    assert told["DIGEST_LEAD"] == "1:30:00"
    assert "hunter2" not in str(told)
    assert runs_with.of(setting(MAIL_URL="maildir:var/outbox"))["MAIL_URL"] == "maildir"


def test_a_failure_of_long_ago_takes_no_share_of_the_connections_from_a_sender(database, clock):
    for process, ago in (("a:1", 5), ("b:2", 120)):
        with driver_connection(durable=False) as driver:
            marks = Marks(failed_at=clock.now - timedelta(seconds=ago), failure="refused")
            heartbeats.live(driver, process, "sender", clock.now, clock.now, RunsAs(), marks)
    with reading() as session:
        assert [each.process for each in heartbeats.running(session, clock.now) if each.fails(clock.now)] == ["a:1"]
        assert heartbeats.senders_alive(session, clock.now) == 1
