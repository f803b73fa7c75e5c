"""Failures are grouped by what they have in common, found by a filter, and asked for through indexes."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from db.jobs import filters, groups, jobs
from db.jobs.events import SubscriptionRequested
from db.jobs.filters import GroupKey, JobFilter
from db.rules import Refused
from db.session import is_sqlite, reading, writing
from tests.failed import AT, fill, many

pytestmark = pytest.mark.usefixtures("database")

ABC = GroupKey("SubscriptionRequested", "ValueError", "abc")


def found(chosen: JobFilter) -> list[int]:
    with reading() as session:
        return [job.id for job in filters.page(session, chosen)]


def test_a_failed_attempt_is_told_on_the_job_itself():
    with writing() as session:
        jobs.record(session, SubscriptionRequested(1, 1), AT)
    with writing() as session:
        job = jobs.claim(session, ["SubscriptionRequested"], "host:1", AT)
        assert job is not None
    with writing() as session:
        assert jobs.fail(session, job, jobs.Failure("ValueError", "no such letter", "abc", "Traceback …"), AT)
    with reading() as session:
        told = jobs.get(session, job.id)
        assert (told.error, told.said, told.fingerprint, told.failed_at) == ("ValueError", "no such letter", "abc", AT)
    later = told.run_after
    with writing() as session:
        assert jobs.claim(session, ["SubscriptionRequested"], "host:2", later) is not None
    with writing() as session:
        jobs.recover(session, later + timedelta(hours=1))
    with reading() as session:
        told = jobs.get(session, job.id)
        assert (told.error, told.fingerprint) == ("WorkerLost", "WorkerLost")
        assert told.failed_at == later + timedelta(hours=1)


def test_what_failed_alike_is_one_group_and_the_latest_comes_first():
    fill(3, each=timedelta(minutes=1))
    fill(2, fingerprint="def", said="row 12 is bad", failed_at=AT + timedelta(hours=1), attempt=9, allowed=12)
    fill(1, kind="ComparisonPublished", reaction="refresh_drafts", failed_at=AT - timedelta(hours=1))
    fill(1, state="discarded")
    with reading() as session:
        asked = groups.groups(session, JobFilter())
    assert (asked.groups, asked.jobs) == (3, 6)
    first, second, third = asked.shown
    assert (first.key.fingerprint, first.jobs, first.newest.said, first.newest.attempt) == (
        "def",
        2,
        "row 12 is bad",
        9,
    )
    assert (second.key, second.jobs, second.last_seen) == (ABC, 3, AT + timedelta(minutes=2))
    assert (third.newest.reaction, third.jobs) == ("refresh_drafts", 1)


def test_a_group_was_first_seen_when_its_oldest_job_first_failed_so():
    [job_id] = fill(1, failed_at=AT + timedelta(hours=9))
    fill(1, failed_at=AT + timedelta(hours=10))
    with reading() as session:
        assert groups.groups(session, JobFilter()).shown[0].first_seen == AT
    with writing() as session:
        session.execute(text(f"UPDATE attempts SET fingerprint = 'other' WHERE job_id = {job_id}"))
    with reading() as session:
        assert groups.groups(session, JobFilter()).shown[0].first_seen == AT + timedelta(hours=9)


def test_a_filter_finds_by_state_kind_error_time_and_text():
    [dead] = fill(said="100% of 'a_b' is bad")
    [waiting] = fill(state="pending", error="OSError", failed_at=AT + timedelta(hours=2), kind="ComparisonPublished")
    [new] = fill(state="pending", attempt=0, error=None, said=None, fingerprint=None, failed_at=None)
    [running] = fill(state="running")
    assert found(JobFilter()) == [dead]
    assert found(JobFilter("waiting")) == [waiting]
    assert found(JobFilter("failing")) == [waiting, dead]
    assert found(JobFilter("pending")) == [new, waiting]
    assert found(JobFilter("all")) == [running, new, waiting, dead]
    assert found(JobFilter("all", kind="ComparisonPublished")) == [waiting]
    assert found(JobFilter("all", error="OSError")) == [waiting]
    assert found(JobFilter("all", since=AT + timedelta(hours=1))) == [waiting]
    assert found(JobFilter("all", queue="jobs")) == found(JobFilter("all"))
    assert found(JobFilter("all", queue="mail")) == []
    assert found(JobFilter(text="100% OF")) == [dead]
    assert found(JobFilter(text="A_B")) == [dead]
    assert found(JobFilter(text="a%b")) == [], "a percent sign stands for itself"
    assert found(JobFilter(text="aXb")) == [], "so does an underscore"


def test_chosen_groups_and_single_jobs_are_taken_together():
    group, other = fill(2), fill(2, fingerprint="def")
    assert found(JobFilter(groups=(ABC,))) == group[::-1]
    assert found(JobFilter(groups=(ABC,), ids=(other[0],))) == [other[0], *group[::-1]]
    assert found(JobFilter("discarded", ids=(other[0],))) == [], "the rest of the filter holds for them too"


def test_what_never_failed_is_a_group_too():
    fill(2, error=None, said=None, fingerprint=None, failed_at=None)
    with reading() as session:
        [group] = groups.groups(session, JobFilter()).shown
        assert (str(group.key), group.jobs) == ("SubscriptionRequested::", 2)
        assert len(groups.of_group(session, JobFilter(), GroupKey.read(str(group.key)), 9)) == 2


def test_a_group_is_read_back_from_its_link_and_nonsense_is_refused():
    assert GroupKey.read(str(ABC)) == ABC
    for nonsense in ("", "abc", "::", "a:b:c:d"):
        with pytest.raises(Refused):
            GroupKey.read(nonsense)
    with pytest.raises(Refused, match="never 'lost'"):
        found(JobFilter("lost"))


def test_the_filter_that_the_audit_keeps_says_what_was_set():
    chosen = JobFilter("dead", kind="K", since=AT, text="x", groups=(ABC,), ids=(3, 1, 2), upto=9)
    assert chosen.as_json() == {
        "state": "dead", "kind": "K", "text": "x", "upto": 9, "since": AT.isoformat(), "groups": [str(ABC)],
        "ids": "1-3",
    }  # fmt: skip


# ---- ten thousand ------------------------------------------------------------------------------------------


@pytest.fixture
def plans(monkeypatch) -> Iterator[tuple[Session, list[str]]]:
    """A reading session, and how its database goes about each question put to it."""
    seen: list[str] = []
    with reading() as session:
        execute, scalars = session.execute, session.scalars

        def explain(asked):
            sql = str(asked.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
            order = "EXPLAIN QUERY PLAN " if is_sqlite(session) else "EXPLAIN "
            seen.append("\n".join(str(row[-1]) for row in execute(text(order + sql.replace(":", "\\:")))))

        for name, ask in (("execute", execute), ("scalars", scalars)):
            monkeypatch.setattr(session, name, lambda asked, ask=ask, **more: (explain(asked), ask(asked, **more))[1])
        yield session, seen


def test_groups_and_lists_of_ten_thousand_are_asked_through_indexes(plans):
    many(10_000)
    many(20_000, "succeeded")
    session, seen = plans
    if not is_sqlite(session):  # thirty thousand rows are few enough to be read through; among a million they are not
        session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")
    key = GroupKey("SubscriptionRequested", "ValueError", "print 7")
    assert groups.groups(session, JobFilter()).jobs == 10_000
    assert len(filters.page(session, JobFilter(), 50)) == 50
    assert len(groups.of_group(session, JobFilter(), key, 20)) == 20
    assert len(filters.page(session, JobFilter("failing"), 50)) == 50
    assert filters.kinds(session) == ["SubscriptionRequested"]
    assert len(seen) >= 8
    for each in seen:
        assert re.search("ix_jobs_(dead|state|due)|pk_jobs|ix_attempts_|INTEGER PRIMARY KEY", each), each
        assert not re.search("Seq Scan on jobs|SCAN jobs(?! USING)", each), each
    assert "ix_jobs_dead" in "".join(seen)
