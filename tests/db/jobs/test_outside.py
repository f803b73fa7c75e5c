"""Outside jobs in the ledger: two queues side by side in one table, neither of which is read for the other."""

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert

from db.engine import engine
from db.jobs import filters, jobs, outside
from db.jobs.events import ComparisonPublished
from db.jobs.filters import JobFilter
from db.jobs.jobs import Job
from db.jobs.outside import OutsideRequest
from db.monitoring import ages, backlog
from db.session import is_sqlite, reading, writing

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)
MANY = 20_000

pytestmark = pytest.mark.usefixtures("database")


@dataclass(frozen=True)
class Ring(OutsideRequest):
    """A request of these tests."""

    door: int


def owe(door: int = 1, receiver: str = "door.example") -> None:
    with writing() as session:
        outside.owe(session, Ring(door), receiver, NOW)


def claim(busy: tuple[str, ...] = (), at: datetime = NOW) -> Job | None:
    with writing() as session:
        return outside.claim(session, ["Ring"], busy, "line-1", at)


def happen() -> None:
    with writing() as session:
        jobs.record(session, ComparisonPublished(comparison=1), NOW)


def test_each_queue_claims_its_own_jobs_also_if_a_kind_had_the_same_name():
    owe()
    happen()
    with writing() as session:
        job = jobs.claim(session, ["Ring", "ComparisonPublished"], "worker-1", NOW)
        assert job is not None
        assert job.kind == "ComparisonPublished"
        assert jobs.claim(session, ["Ring", "ComparisonPublished"], "worker-1", NOW) is None
        found = outside.claim(session, ["Ring", "ComparisonPublished"], (), "line-1", NOW)
        assert found is not None
        assert found.kind == "Ring"


def test_each_queue_has_a_backlog_and_an_age_of_its_own():
    owe()
    owe()
    happen()
    later = NOW + timedelta(minutes=5)
    with reading() as session:
        waiting = {each.queue: each.waiting for each in backlog.all_queues(session, later)}
        assert (waiting["jobs"], waiting["outside"]) == (1, 2)
        assert ages.of_outside(session, later) == timedelta(minutes=5)
    with writing() as session:
        jobs.claim(session, ["ComparisonPublished"], "worker-1", NOW)
    with reading() as session:
        assert (ages.of_jobs(session, later), ages.of_outside(session, later)) == (None, timedelta(minutes=5))


def test_a_filter_by_queue_finds_its_jobs():
    owe()
    happen()
    with reading() as session:
        kinds = {
            queue: [job.kind for job in filters.page(session, JobFilter("all", queue=queue))]
            for queue in (None, "jobs", "outside", "mail")
        }
    assert kinds == {
        None: ["ComparisonPublished", "Ring"], "jobs": ["ComparisonPublished"], "outside": ["Ring"], "mail": [],
    }  # fmt: skip


def test_of_many_lines_one_claims_a_job():
    for door in range(20):
        owe(door)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.extend(iter(claimed, None))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert sorted(found) == sorted(set(found))
    assert len(found) == 20


def claimed() -> int | None:
    job = claim()
    return job.id if job else None


# ---- a long backlog ----------------------------------------------------------------------------------------------


def fill(receiver: str | None, **values: Any) -> None:
    row = {"kind": "Ring" if receiver else "Unknown", "payload": {"door": 1}, "state": "pending", "attempt": 0,
           "allowed": 6, "run_after": NOW - timedelta(hours=1), "trigger": "event", "created_at": NOW}  # fmt: skip
    with writing() as session:
        session.execute(insert(Job.__table__), [row | {"receiver": receiver} | values] * MANY)  # type: ignore[arg-type]
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if connection.dialect.name == "sqlite" else "VACUUM ANALYZE jobs")


@contextmanager
def plans(contain: str):
    """Collects the plan of each statement that holds this text."""
    found: list[str] = []

    def explain(_connection, cursor, statement, values, *_):
        if contain in statement and not statement.startswith("EXPLAIN"):
            on_sqlite = "sqlite" in type(cursor).__module__
            cursor.execute(("EXPLAIN QUERY PLAN " if on_sqlite else "EXPLAIN ") + statement, values)
            found.append(" ".join(str(row) for row in cursor.fetchall()))

    event.listen(engine(), "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(engine(), "before_cursor_execute", explain)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def test_a_long_backlog_of_one_queue_is_never_read_for_the_other():
    fill("hung.example")
    happen()
    with plans("run_after <=") as found, writing() as session:
        assert jobs.any_due(session, ["ComparisonPublished"], NOW)
        job = jobs.claim(session, ["ComparisonPublished"], "worker-1", NOW)
    assert job is not None
    assert len(found) == 2
    assert all("ix_jobs_reactions_due" in each for each in found), found


def test_a_busy_receiver_s_backlog_is_passed_over_in_the_index():
    fill("hung.example")
    owe()
    with plans("run_after <=") as found, writing() as session:
        assert outside.any_due(session, ["Ring"], ["hung.example"], NOW)
        assert outside.claim(session, ["Ring"], ["hung.example", "door.example"], "line-1", NOW) is None
        on_sqlite = is_sqlite(session)
    assert len(found) == 2
    assert not on_sqlite or all("ix_jobs_outside_due" in each for each in found), found
    job: list[Job | None] = []
    assert seconds(lambda: job.append(claim(("hung.example",)))) < 2
    assert job[0] is not None
    assert job[0].receiver == "door.example"
