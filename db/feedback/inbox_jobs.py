"""The one job that reads the inbox: each time it ends well, the next one takes its place."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.jobs import outside
from db.jobs.jobs import OUTSIDE, PENDING, Attempt, Job
from db.jobs.outside import OutsideRequest

RECEIVER = "inbox"
LEFT_OVER = timedelta(minutes=10)
"""How long a job waits before a line without INBOX_URL takes it for one of a setting that is gone."""


@dataclass(frozen=True)
class ReadInbox(OutsideRequest):
    """Read the inbox from behind this mark on (emails.inboxes.Mark)."""

    validity: int = 0
    uid: int = 0


_KIND = Job.kind == ReadInbox.__name__


def is_waiting(session: Session) -> bool:
    """Whether such a job is queued or under way."""
    queued, under_way = (PENDING, OUTSIDE, Job.receiver == RECEIVER), (Job.state == "running",)
    return any(session.scalar(select(Job.id).where(_KIND, *each).limit(1)) for each in (queued, under_way))


class Failing(NamedTuple):
    """Since when the inbox could not be read, what was said last, and its job."""

    since: datetime
    said: str
    job: int


TOLD_AFTER = 4
"""So many attempts in a row have to fail, which takes some ten minutes: a server restarts in less."""


def failing(session: Session) -> Failing | None:
    """The job that has failed several times in a row, if it has."""
    tried = Job.attempt >= TOLD_AFTER, Job.error.is_not(None)
    found = session.scalars(select(Job).where(_KIND, PENDING, OUTSIDE, Job.receiver == RECEIVER, *tried)).first()
    return Failing(found.created_at, found.said or "", found.id) if found else None


def owe_first(session: Session, now: datetime) -> None:
    """Queue the first job, or go on after one that an operator discarded."""
    if not is_waiting(session):
        last = session.scalars(select(Job).where(_KIND).order_by(Job.id.desc()).limit(1)).first()
        outside.owe(session, ReadInbox(**(last.payload if last else {})), RECEIVER, now)


def owe_next(session: Session, job: Job, request: ReadInbox, at: datetime, now: datetime) -> None:
    """Queue the next one, and forget those that succeeded before this one: there is one a minute."""
    outside.owe(session, request, RECEIVER, now, at)
    done = list(session.scalars(select(Job.id).where(_KIND, Job.state == "succeeded", Job.id < job.id)))
    _remove(session, done)


def any_left_over(session: Session, now: datetime) -> bool:
    """Whether a job waits that nobody seems to do any more, since INBOX_URL is not set."""
    return bool(_left_over(session, now))


def remove_left_over(session: Session, now: datetime) -> None:
    """Delete such a job."""
    _remove(session, _left_over(session, now))


def _left_over(session: Session, now: datetime) -> list[int]:
    late = _KIND, PENDING, OUTSIDE, Job.receiver == RECEIVER, Job.run_after < now - LEFT_OVER
    return list(session.scalars(select(Job.id).where(*late)))


def _remove(session: Session, ids: list[int]) -> None:
    if ids:
        session.execute(delete(Attempt).where(Attempt.job_id.in_(ids)))
        session.execute(delete(Job).where(Job.id.in_(ids)))
