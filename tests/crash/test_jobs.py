"""Workers are killed in the middle of jobs: each kill uses up an attempt; a job's effect happens once or not at all."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from db import rules
from db.deliveries.deliveries import Delivery
from db.jobs import filters
from db.jobs.filters import JobFilter
from db.jobs.jobs import Attempt, Job
from db.session import reading, writing
from db.subscribers import subscriptions
from tests.crash.processes import until
from tests.crash.scene import Scene


def sign_up(address: str) -> None:
    """Sign somebody up, which queues a job that in turn queues a confirmation email."""
    with writing() as session:
        subscriptions.request(
            session, address, words="Weekly, please.", words_version="1", locale="en", form_url="/", ip=None,
            user_agent=None, now=datetime.now(UTC),
        )  # fmt: skip


def job() -> Job:
    with reading() as session:
        return session.scalars(select(Job)).one()


def outcomes() -> list[str | None]:
    with reading() as session:
        return list(session.scalars(select(Attempt.outcome).order_by(Attempt.id)))


def confirm_letters() -> int:
    with reading() as session:
        return len(session.scalars(select(Delivery.id).where(Delivery.letter == "confirm")).all())


def test_a_worker_killed_amid_a_job_leaves_it_to_the_next_which_does_it_once(scene: Scene):
    sign_up("alice@reader.example")
    for stage in ("job claimed", "job done"):
        worker = scene.fork("work", stage)
        worker.wait_for_stage()
        worker.kill()
        assert confirm_letters() == 0
    for _ in range(2):
        scene.fork("work")
    until(lambda: job().state == "succeeded", "the job's good end")
    assert outcomes() == ["lost", "lost", "succeeded"]
    assert confirm_letters() == 1


def test_a_worker_that_wakes_after_another_did_its_job_takes_its_own_effect_back(scene: Scene):
    sign_up("alice@reader.example")
    lost = scene.nursery.said("claim lost")
    asleep = scene.fork("work", "job claimed")
    asleep.wait_for_stage()
    scene.fork("work")
    until(lambda: job().state == "succeeded", "the job's good end")
    asleep.go_on()
    until(lambda: scene.nursery.said("claim lost") > lost, "the sleeper's word")
    assert outcomes() == ["lost", "succeeded"]
    assert confirm_letters() == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # nothing in it depends on the kind
def test_a_job_that_kills_every_worker_is_dead_in_the_end(scene: Scene):
    sign_up("alice@reader.example")
    for _ in range(rules.JOB_ATTEMPTS):
        worker = scene.fork("work", "job claimed")
        worker.wait_for_stage()
        worker.kill()
    scene.fork("work")
    until(lambda: job().state == "dead", "the job's bad end")
    assert outcomes() == ["lost"] * rules.JOB_ATTEMPTS
    with reading() as session:
        assert [each.id for each in filters.page(session, JobFilter("failing"))] == [job().id]
