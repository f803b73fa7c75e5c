"""The job worker: claims a due job, runs its reaction and ends it."""

import os
import socket
import time

import structlog
from sqlalchemy.orm import Session

from db import moments
from db.jobs import jobs
from db.jobs.events import Event, from_payload
from db.jobs.jobs import Job
from db.monitoring import pauses
from db.session import reading, writing
from worker.jobs import failures, lapsed_jobs
from worker.jobs.reactions import LONG_WORK, REACTIONS, Reaction
from worker.people.erasure import Following
from worker.processes import ending

SLICE = 10.0
"""Seconds of work before other looks get their turn."""

log = structlog.get_logger("jobs")


class ClaimLost(Exception):
    """The job's lease lapsed while it ran and another worker holds the job: roll the effect back."""


def work() -> bool:
    """Recover the jobs of dead workers, then work until no job is due, the slice ends, or jobs are paused. True if jobs
    are left."""
    end = time.monotonic() + SLICE
    lapsed_jobs.recover()
    while time.monotonic() < end and not ending.asked():
        if not work_one():
            return False
    return True


def work_one() -> bool:
    """Claim one job and run its reaction. False when no job is due or jobs are paused."""
    now = moments.now()
    with reading() as session:
        if pauses.is_paused(session, "jobs") or not jobs.any_due(session, list(Event.kinds), now):
            return False
    with writing() as session:
        job = jobs.claim(session, list(Event.kinds), f"{socket.gethostname()}:{os.getpid()}", now)
    if job is None:
        return False
    try:
        following = _work_long(job)
        with structlog.contextvars.bound_contextvars(job=job.id), writing() as session:
            _react(session, job, following)
    except ClaimLost:
        log.warning("claim lost", job=job.id, kind=job.kind, attempt=job.attempt)
    except Exception as error:
        _keep_failure(job, error)
    return True


def _work_long(job: Job) -> list[Following]:
    """Do what an event's job does with no transaction open. Returns what to record when the job ends."""
    event = from_payload(job.kind, job.payload)
    work = LONG_WORK.get(type(event))
    return work(event) if work else []


def _react(session: Session, job: Job, following: list[Following]) -> None:
    """Run the effect and end the job in one transaction, fenced by (id, attempt, running): once or not at all."""
    now = moments.now()
    event = from_payload(job.kind, job.payload)
    reactions = REACTIONS.get(type(event), ())
    if job.reaction is None and len(reactions) > 1:
        jobs.split(session, job, [reaction.__name__ for reaction in reactions], now)
    else:
        for reaction in _chosen(reactions, job.reaction):
            reaction(session, event, now)
    for each in following:
        jobs.record_once(session, each.event, now, each.run_after)
    if not jobs.succeed(session, job, now):
        raise ClaimLost


def _chosen(reactions: tuple[Reaction, ...], name: str | None) -> tuple[Reaction, ...]:
    if name is None:
        return reactions
    found = tuple(reaction for reaction in reactions if reaction.__name__ == name)
    if not found:
        raise LookupError(f"This release has no reaction {name!r}.")
    return found


def _keep_failure(job: Job, error: Exception) -> None:
    kind = type(error).__name__
    log.warning("attempt failed", job=job.id, kind=job.kind, attempt=job.attempt, error=kind, message=str(error))
    with writing() as session:
        jobs.fail(session, job, failures.of(error), moments.now())
