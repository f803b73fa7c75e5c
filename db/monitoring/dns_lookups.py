"""What the DNS was found to hold of our records: the job that waits for its next look-up keeps the last one's."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.jobs import outside
from db.jobs.jobs import Attempt, Job
from db.jobs.outside import OutsideRequest

RECEIVER = "dns"
EVERY = timedelta(hours=1)


@dataclass(frozen=True)
class LookUpRecords(OutsideRequest):
    """Look the records up. It holds what the look-up before it found: `at` is its moment (ISO 8601; empty before the
    first), and each of `found` has the record's `line`, `why`, `well` and what was `told` of it."""

    at: str = ""
    found: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LastLookUp:
    """The last look-up: its moment, a dict for each record, and warnings that the settings alone gave."""

    at: datetime
    found: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]


_KIND = Job.kind == LookUpRecords.__name__
_OPEN = Job.state.in_(("pending", "running"))


def is_waiting(session: Session) -> bool:
    """Whether such a job is queued or under way."""
    return session.scalar(select(Job.id).where(_KIND, _OPEN).limit(1)) is not None


def owe_first(session: Session, now: datetime) -> None:
    """Queue the first look-up, or one after one that is dead or was discarded; that one's knowledge goes on."""
    if not is_waiting(session):
        last = session.scalars(select(Job).where(_KIND).order_by(Job.id.desc()).limit(1)).first()
        outside.owe(session, LookUpRecords(**(last.payload if last else {})), RECEIVER, now)


def owe_next(session: Session, job: Job, request: LookUpRecords, now: datetime) -> None:
    """Queue the next one with what this one found, and forget those before it."""
    outside.owe(session, request, RECEIVER, now, now + EVERY)
    done = list(session.scalars(select(Job.id).where(_KIND, Job.state == "succeeded", Job.id < job.id)))
    session.execute(delete(Attempt).where(Attempt.job_id.in_(done)))
    session.execute(delete(Job).where(Job.id.in_(done)))


def last(session: Session) -> LastLookUp | None:
    """The last look-up; None before the first, and as long as no next one is queued."""
    job = session.scalars(select(Job).where(_KIND, _OPEN).limit(1)).first()
    if job is None or not job.payload.get("at"):
        return None
    found, warnings = job.payload["found"], job.payload["warnings"]
    return LastLookUp(datetime.fromisoformat(job.payload["at"]), tuple(found), tuple(warnings))
