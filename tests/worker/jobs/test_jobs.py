"""Reactions: an effect is made once or not at all, and one that fails is looked at, mended and retried."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from db.deliveries import deliveries
from db.deliveries.deliveries import Delivery
from db.jobs import jobs, retries
from db.jobs.events import SubscriptionRequested
from db.session import reading, writing
from worker.jobs import reactions
from worker.jobs.failures import fingerprint
from worker.jobs.jobs import work, work_one

EVENT = SubscriptionRequested(sign_up=1, subscriber=1)

pytestmark = pytest.mark.usefixtures("database")


def happen() -> None:
    with writing() as session:
        jobs.record(session, EVENT, datetime.now(UTC))


def owed() -> int:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(Delivery)) or 0


def the_job() -> jobs.Job:
    with reading() as session:
        job = jobs.listed(session, list(jobs.STATES))[-1]
        list(job.attempts)
        return job


def test_a_request_owes_the_confirm_letter(clock):
    happen()
    work()
    assert owed() == 1
    assert the_job().state == "succeeded"


def test_a_reaction_that_fails_halfway_leaves_nothing_half_done(clock, monkeypatch):
    def broken(session, event, now):
        deliveries.owe(session, "confirm", event.sign_up, "subscriber:1", now)
        raise RuntimeError("the second step broke")

    monkeypatch.setitem(reactions.REACTIONS, SubscriptionRequested, (broken,))
    happen()
    work()
    job = the_job()
    assert owed() == 0
    assert (job.state, job.attempt) == ("pending", 1)
    assert job.attempts[0].error == "RuntimeError"
    assert "the second step broke" in (job.attempts[0].traceback or "")
    assert "in broken" in (job.attempts[0].traceback or "")


def test_a_failure_is_kept_whatever_its_words_hold(clock, monkeypatch):
    def broken(session, event, now):
        raise ValueError("cannot read 'a\0b\ud800'")

    monkeypatch.setitem(reactions.REACTIONS, SubscriptionRequested, (broken,))
    happen()
    work()
    assert (the_job().state, the_job().attempts[0].message) == ("pending", "cannot read 'a\\0b\\ud800'")


def test_mended_and_retried_a_dead_job_does_its_work_once(clock, monkeypatch):
    mended = reactions.REACTIONS[SubscriptionRequested]

    def broken(session, event, now):
        raise ValueError("no such template")

    monkeypatch.setitem(reactions.REACTIONS, SubscriptionRequested, (broken,))
    happen()
    for _ in range(6):
        work()
        clock.forward(hours=8)
    assert the_job().state == "dead"
    monkeypatch.setitem(reactions.REACTIONS, SubscriptionRequested, mended)
    work()
    assert owed() == 0, "a dead job waits for a person"
    with writing() as session:
        retries.retry(session, the_job().id, datetime.now(UTC))
    work()
    assert owed() == 1
    job = the_job()
    assert (job.state, len(job.attempts)) == ("succeeded", 7)
    assert [each.outcome for each in job.attempts] == ["failed"] * 6 + ["succeeded"]


def test_of_two_reactions_each_fails_and_is_retried_alone(clock, monkeypatch):
    calls: list[str] = []

    def steady(session, event, now):
        calls.append("steady")

    def shaky(session, event, now):
        calls.append("shaky")
        if calls.count("shaky") == 1:
            raise OSError("not yet")

    monkeypatch.setitem(reactions.REACTIONS, SubscriptionRequested, (steady, shaky))
    happen()
    work()
    clock.forward(minutes=1)
    work()
    assert sorted(calls) == ["shaky", "shaky", "steady"]
    with reading() as session:
        assert jobs.counts(session)["succeeded"] == 3


def test_a_worker_that_was_away_past_its_lease_takes_its_effect_back(clock, monkeypatch):
    def slow(session, event, now):
        deliveries.owe(session, "confirm", event.sign_up, "subscriber:1", now)
        job = the_job()
        monkeypatch.setattr("db.jobs.jobs._end", lambda *args, **more: False)
        assert job.state == "running"

    monkeypatch.setitem(reactions.REACTIONS, SubscriptionRequested, (slow,))
    happen()
    work_one()
    assert owed() == 0


def test_failures_of_one_sort_share_a_fingerprint():
    first, same = ValueError("row 12 of 'a.yaml' is bad"), ValueError("row 99 of 'b.yaml' is bad")
    assert fingerprint(first) == fingerprint(same)
    assert fingerprint(first) != fingerprint(TypeError("row 12 of 'a.yaml' is bad"))
