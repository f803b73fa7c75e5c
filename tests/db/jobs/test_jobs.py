"""A job is owed with the write that caused it, is done once or not at all, and what fails can be retried."""

from datetime import UTC, datetime, timedelta

import pytest

from db import rules
from db.jobs import jobs, retries
from db.jobs.events import SubscriptionRequested
from db.rules import Refused
from db.session import reading, writing

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)
EVENT = SubscriptionRequested(sign_up=1, subscriber=1)
KINDS = ["SubscriptionRequested"]

pytestmark = pytest.mark.usefixtures("database")


def owe() -> int:
    with writing() as session:
        jobs.record(session, EVENT, NOW)
    with reading() as session:
        return jobs.listed(session, ["pending"])[0].id


def claim(at: datetime = NOW) -> jobs.Job | None:
    with writing() as session:
        return jobs.claim(session, KINDS, "worker-1", at)


def fail(job: jobs.Job, at: datetime = NOW) -> bool:
    with writing() as session:
        return jobs.fail(session, job, jobs.Failure("ValueError", "no such letter", "abc", "Traceback …"), at)


def look(job_id: int) -> jobs.Job:
    with reading() as session:
        job = jobs.get(session, job_id)
        list(job.attempts)
        return job


def test_a_job_is_owed_only_if_the_write_that_caused_it_commits():
    with pytest.raises(RuntimeError), writing() as session:  # noqa: PT012
        jobs.record(session, EVENT, NOW)
        raise RuntimeError
    assert claim() is None


def test_one_worker_takes_a_job_and_the_next_finds_none():
    owe()
    assert claim() is not None
    assert claim() is None


def test_kinds_that_this_release_does_not_know_stay_pending():
    owe()
    with writing() as session:
        assert jobs.claim(session, ["SomethingElse"], "old worker", NOW) is None


def test_a_failed_job_waits_longer_each_time_and_is_dead_after_six_attempts():
    job_id, waits, now = owe(), [], NOW
    for _ in range(rules.JOB_ATTEMPTS):
        job = claim(now)
        assert job is not None
        assert fail(job, now)
        after = look(job_id)
        if after.state == "pending":
            waits.append((after.run_after - now).total_seconds())
            assert claim(now) is None
            now = after.run_after
    assert [round(wait / (30 * 4**n)) for n, wait in enumerate(waits)] == [1, 1, 1, 1, 1]
    dead = look(job_id)
    assert (dead.state, dead.attempt, len(dead.attempts)) == ("dead", 6, 6)
    assert {each.traceback for each in dead.attempts} == {"Traceback …"}


def test_an_effect_whose_claim_is_lost_is_taken_back():
    owe()
    slow = claim()
    assert slow is not None
    later = NOW + rules.JOB_LEASE + timedelta(seconds=1)
    with writing() as session:
        assert jobs.recover(session, later) == 1
    with writing() as session:
        assert not jobs.succeed(session, slow, later)
    assert not fail(slow, later)
    assert look(slow.id).attempts[0].outcome == "lost"


def test_a_job_that_kills_its_worker_uses_up_attempts_too():
    job_id, now = owe(), NOW
    for _ in range(rules.JOB_ATTEMPTS):
        assert claim(now) is not None
        now += rules.JOB_LEASE + timedelta(seconds=1)
        with writing() as session:
            jobs.recover(session, now)
        now += timedelta(hours=8)
    assert look(job_id).state == "dead"


def test_an_operator_retries_a_dead_job_and_its_history_stays():
    job_id, now = owe(), NOW
    for _ in range(rules.JOB_ATTEMPTS):
        job = claim(now)
        assert job is not None
        fail(job, now)
        now += timedelta(hours=8)
    with writing() as session:
        retries.retry(session, job_id, now)
    job = claim(now)
    assert job is not None
    assert (job.attempt, job.trigger) == (7, "operator")
    with writing() as session:
        assert jobs.succeed(session, job, now)
    ended = look(job_id)
    assert (ended.state, len(ended.attempts), ended.attempts[-1].outcome) == ("succeeded", 7, "succeeded")


def test_a_retried_job_that_fails_again_waits_again_instead_of_dying():
    job_id, now = owe(), NOW
    for _ in range(rules.JOB_ATTEMPTS):
        job = claim(now)
        assert job is not None
        fail(job, now)
        now += timedelta(hours=8)
    with writing() as session:
        retries.retry(session, job_id, now)
    job = claim(now)
    assert job is not None
    fail(job, now)
    assert look(job_id).state == "pending"
    assert 24 <= (look(job_id).run_after - now).total_seconds() <= 36


def test_what_cannot_be_retried_or_discarded_is_refused_in_words():
    job_id = owe()
    job = claim()
    assert job is not None
    for order in (lambda s: retries.retry(s, job_id, NOW), lambda s: retries.discard(s, job_id, "old", NOW)):
        with pytest.raises(Refused, match="is running"), writing() as session:
            order(session)
    with pytest.raises(Refused, match="There is no job 99"), writing() as session:
        retries.retry(session, 99, NOW)


def test_a_discarded_job_keeps_its_reason_and_can_be_restored():
    job_id = owe()
    with writing() as session:
        retries.discard(session, job_id, "sent by hand", NOW)
    assert (look(job_id).state, look(job_id).note) == ("discarded", "sent by hand")
    assert claim() is None
    with writing() as session:
        retries.restore(session, job_id)
    assert look(job_id).state == "dead"


def test_an_event_with_several_reactions_becomes_one_job_each_however_often_it_is_split():
    owe()
    job = claim()
    assert job is not None
    for _ in range(2):
        with writing() as session:
            jobs.split(session, job, ["tell", "count"], NOW)
    with reading() as session:
        parts = jobs.listed(session, ["pending"])
    assert sorted(part.reaction or "" for part in parts) == ["count", "tell"]
    assert {part.cause for part in parts} == {job.id}
