"""A paused queue stands still: the tasks themselves find nothing to do until it is resumed."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from db.deliveries.claiming import recovery
from db.deliveries.claiming.claims import Claim
from db.deliveries.deliveries import Delivery
from db.jobs import jobs
from db.jobs.events import SubscriptionRequested
from db.jobs.filters import lapsed, lost_since
from db.monitoring import pauses
from db.monitoring.heartbeats import Heartbeat
from db.session import reading, writing
from db.votes import votes
from db.votes.tallies import Tally
from worker import celery_signals
from worker.jobs import reactions
from worker.processes import heartbeats
from worker.processes.looks import Looks
from worker.processes.schedule import entry_of
from worker.tasks import WORKS, send_unless_paused

pytestmark = pytest.mark.usefixtures("database", "redis_url")

EVENT = SubscriptionRequested(sign_up=1, subscriber=1)


def pause(queue: str) -> None:
    with writing() as session:
        pauses.pause(session, queue, "x", "mara", datetime.now(UTC))


def resume(queue: str) -> None:
    with writing() as session:
        pauses.resume(session, queue)


def happen() -> None:
    with writing() as session:
        jobs.record(session, EVENT, datetime.now(UTC))


def task(name: str) -> None:
    """A look as a worker's thread does it, signs of life and all."""
    looks = Looks("sender" if name == "mail.send" else "worker", {entry_of(name): WORKS[name]})
    looks.one(looks.looks[name])
    assert looks.looks[name].trouble.times == 0


def counted() -> dict[str, int]:
    with reading() as session:
        return jobs.counts(session)


def test_jobs_wait_while_they_are_paused_and_go_on_after(clock):
    pause("jobs")
    happen()
    task("jobs.work")
    assert counted()["pending"] == 1
    resume("jobs")
    task("jobs.work")
    assert counted()["succeeded"] == 1


def test_a_pause_between_two_jobs_is_met_by_the_second(clock, monkeypatch):
    monkeypatch.setitem(
        reactions.REACTIONS, SubscriptionRequested, (lambda s, e, n: pauses.pause(s, "jobs", "x", "m", n),)
    )
    happen()
    happen()
    task("jobs.work")
    assert (counted()["succeeded"], counted()["pending"]) == (1, 1)


def test_votes_are_not_folded_while_they_are_paused(catalogue):
    with writing() as session:
        votes.cast(session, votes.new_voter(), catalogue.quillmate, "ship", datetime.now(UTC))

    def folded() -> int:
        with reading() as session:
            return session.scalar(select(func.sum(Tally.ship))) or 0

    pause("votes")
    task("votes.fold")
    assert folded() == 0
    resume("votes")
    task("votes.fold")
    assert folded() == 1


def test_no_slice_is_sent_while_mail_is_paused_and_what_dead_senders_held_comes_back(clock, monkeypatch):
    sent: list[str] = []
    monkeypatch.setattr("worker.sending.send_slice.run_slice", lambda end: sent.append("slice"))
    with writing() as session:
        now = datetime.now(UTC)
        session.add(Delivery(letter="confirm", about=1, person="subscriber:1", state="sending", claim=1,
                             not_before=now, created_at=now))  # fmt: skip
        session.add(Claim(id=1, worker="host:1", lease=now, win=1, made_at=now))
    clock.forward(seconds=1)
    pause("mail")
    with reading() as session:
        assert [each.worker for each in recovery.lapsed(session, datetime.now(UTC))] == ["host:1"]
    send_unless_paused()
    with reading() as session:
        assert recovery.lapsed(session, datetime.now(UTC)) == []
        assert session.scalar(select(Delivery.state)) == "pending"
    assert sent == []
    resume("mail")
    send_unless_paused()
    assert sent == ["slice"]


def test_a_job_whose_worker_is_gone_is_seen_and_then_recovered_even_in_a_paused_queue(clock):
    happen()
    with writing() as session:
        job = jobs.claim(session, ["SubscriptionRequested"], "host:7", datetime.now(UTC))
        assert job is not None
    began = clock.now
    clock.forward(minutes=4)
    with reading() as session:
        assert [(each.id, worker) for each, worker in lapsed(session, clock.now)] == [(job.id, "host:7")]
    pause("jobs")
    task("jobs.work")
    with reading() as session:
        assert lapsed(session, clock.now) == []
        [(attempt, found)] = lost_since(session, began)
        assert (attempt.worker, attempt.outcome, found.id) == ("host:7", "lost", job.id)


# ---- signs of life -----------------------------------------------------------------------------------------


def signs() -> list[Heartbeat]:
    with reading() as session:
        return list(session.scalars(select(Heartbeat)))


@pytest.fixture
def pulse(monkeypatch) -> heartbeats.Pulse:
    fresh = heartbeats.Pulse()
    monkeypatch.setattr(heartbeats, "_pulse", fresh)
    return fresh


def test_a_task_is_a_workers_sign_of_life_once_in_ten_seconds(pulse, catalogue):
    task("votes.fold")
    pulse.write()
    [first] = signs()
    assert first.kind == "worker"
    assert first.process.endswith(f":{pulse.pid}")
    with writing() as session:
        votes.cast(session, votes.new_voter(), catalogue.quillmate, "ship", datetime.now(UTC))
    task("votes.fold")
    pulse.write()
    assert [each.at for each in signs()] == [first.at]
    assert pulse.last is not None
    pulse.last -= heartbeats.EVERY
    pulse.write()
    [again] = signs()
    assert again.at > first.at
    assert (again.done, again.seconds > 0) == (1, True)


def test_the_senders_task_is_a_senders_sign_of_life(pulse):
    task("mail.send")
    pulse.write()
    assert [each.kind for each in signs()] == ["sender"]


def test_a_task_writes_no_sign_of_life_itself(pulse, monkeypatch):
    monkeypatch.setattr("db.monitoring.heartbeats.beat", lambda *_: 1 / 0)
    happen()
    task("jobs.work")
    assert counted()["succeeded"] == 1
    assert signs() == []


def test_the_clocks_ringing_is_its_sign_of_life(pulse):
    celery_signals._at_a_ring()
    pulse.write()
    assert [each.kind for each in signs()] == ["clock"]
