"""Every process of a site writes that it lives, work or no work; and it knows how its last heartbeat went."""

import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from structlog.testing import capture_logs

from db import moments
from db.monitoring import heartbeats as rows
from db.schema import RELEASE
from db.session import reading
from tests.crash.deployment import Deployment
from tests.crash.processes import until
from worker import celery_signals
from worker.processes import heartbeats


@pytest.fixture
def pulse(monkeypatch) -> heartbeats.Pulse:
    """A web process of which nobody has started the thread: its heartbeats are written by hand."""
    fresh = heartbeats.Pulse(kind="web")
    monkeypatch.setattr(heartbeats, "_pulse", fresh)
    monkeypatch.setattr(heartbeats, "_living", (fresh.pid, "web"))
    return fresh


def running() -> list[rows.Heartbeat]:
    with reading() as session:
        return rows.running(session, datetime.now(UTC))


@pytest.mark.long
@pytest.mark.crash
@pytest.mark.timeout(120)
def test_all_processes_of_an_idle_site_write_heartbeats_and_hardly_cost_anything(sqlite, house, setting):
    setting(SITE_NAME="The Weekly")
    deployment = Deployment(house, {"DATABASE_URL": sqlite, "SITE_NAME": "The Weekly"})
    try:
        for name in ("web", "worker", "sender", "clock"):
            deployment._start(name)
        wanted = Counter(web=2, worker=2, sender=1, clock=1)
        until(lambda: Counter(each.kind for each in running()) == wanted, "everybody's heartbeat")
        first = {each.process: each.alive_at for each in running()}
        until(lambda: all(each.alive_at > first[each.process] for each in running()), "the next ones")
        assert {each.release for each in running()} == {RELEASE}
        assert {each.runs_with["SITE_NAME"] for each in running()} == {"The Weekly"}
        assert {each.process for each in running()} == set(first), "nobody was started anew"
        assert all(psutil.pid_exists(int(each.process.rpartition(":")[2])) for each in running())
    finally:
        deployment.close()


def test_a_heartbeat_that_cannot_be_written_is_logged_once_and_known(sqlite, pulse, monkeypatch):
    def full(*_: object) -> None:
        raise OSError("disk full")

    pulse.write()
    assert heartbeats.how_it_went() == (True, "ok, 0 s ago")
    with monkeypatch.context() as patch, capture_logs() as said:
        patch.setattr("db.monitoring.heartbeats.live", full)
        for _ in range(3):
            pulse.write()
        assert heartbeats.how_it_went() == (True, "not written for 0 s: disk full")
        pulse.written -= heartbeats.UNWRITTEN + 1
        assert heartbeats.how_it_went() == (False, "not written for 16 s: disk full")
    assert [line["event"] for line in said] == ["no heartbeat written"]
    pulse.write()
    assert heartbeats.how_it_went() == (True, "ok, 0 s ago")


def test_marks_are_written_by_the_thread_alone_so_the_clock_rings_on_beside_a_hanging_database(pulse, monkeypatch):
    monkeypatch.setattr("worker.processes.heartbeats.driver_connection", None)  # to open one would fail
    celery_signals._at_a_ring()
    heartbeats.did(2)
    heartbeats.taken()
    heartbeats.failed("no connection")
    assert (pulse.worked, pulse.kind, pulse.done, pulse.due.is_set()) == (True, "clock", 2, True)


def test_a_heartbeat_tells_the_skew_the_last_letter_taken_and_the_last_failure(database, pulse, monkeypatch):
    monkeypatch.setattr(moments, "_skew", timedelta(seconds=3))
    pulse.write()
    [own] = running()
    assert (own.skew, own.taken_at, own.failed_at, own.failure) == (3.0, None, None, None)
    heartbeats.failed("no connection to the mail server")
    heartbeats.taken()
    pulse.write()
    [own] = running()
    assert own.failure == "no connection to the mail server"
    assert own.failed_at <= own.taken_at <= moments.now()


def test_each_heartbeat_measures_the_skew_anew(postgresql, pulse, monkeypatch):
    asked = []
    monkeypatch.setattr(moments, "measure", lambda database_time: asked.append(database_time()))
    for _ in range(3):
        pulse.write()
    assert len(asked) >= 3
    assert all(abs(datetime.now(UTC) - each) < timedelta(seconds=20) for each in asked)


def test_news_of_a_failure_is_written_at_once_and_the_next_ones_in_their_turn(pulse):
    heartbeats.failed("too many clients")
    assert pulse.due.is_set()
    pulse.due.clear()
    heartbeats.failed("too many clients")
    assert not pulse.due.is_set()
    heartbeats.taken()
    assert pulse.due.is_set()


def test_work_that_could_not_be_told_is_told_by_the_next_heartbeat(sqlite, pulse, monkeypatch):
    heartbeats.at_work("worker")
    heartbeats.did(7)
    with monkeypatch.context() as patch:
        patch.setattr("db.monitoring.heartbeats.beat", lambda *_: 1 / 0)
        pulse.write()
    pulse.last -= heartbeats.EVERY
    heartbeats.did(1)
    pulse.write()
    [own] = running()
    assert (own.kind, own.done) == ("worker", 8)
    assert pulse.done == 0


def test_a_thread_that_the_database_leaves_waiting_is_no_heartbeat_either(pulse):
    pulse.written -= heartbeats.UNWRITTEN + 1
    well, told = heartbeats.how_it_went()
    assert (well, told) == (False, "not written for 16 s: the database has not answered")


def test_a_forked_web_worker_gets_a_thread_of_its_own(sqlite, pulse, monkeypatch):
    monkeypatch.setattr(heartbeats, "_living", (1, "web"))  # it was started in the parent
    monkeypatch.setattr(heartbeats.Pulse, "write_for_ever", heartbeats.Pulse.write)
    heartbeats.start_after_fork()
    until(running, "its heartbeat")
    [own] = running()
    assert (own.kind, own.process.rpartition(":")[2]) == ("web", str(pulse.pid))


@pytest.mark.parametrize("noticed", [True, False])
def test_a_process_that_was_killed_counts_no_more_once_another_one_of_its_host_starts(database, pulse, noticed):
    child = subprocess.Popen(["true"])
    if noticed:
        child.wait()
    else:
        until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE, "its end")
    killed = heartbeats.Pulse(kind="sender", pid=child.pid)
    killed.write()
    assert [each.process for each in running()] == [killed.process]
    pulse.write()
    assert [each.process for each in running()] == [pulse.process]
    child.wait()


def test_a_process_that_has_said_that_it_ends_writes_no_heartbeat_after_that(database, pulse):
    pulse.write()
    assert running() != []
    pulse.end()
    pulse.write()
    assert running() == []
