"""What operators do about jobs that failed: retry, stop, discard, restore, one or many; or put an edited copy in place.

An order about many is bounded by what its giver was shown, and goes in pages, each a transaction of its own at the
door, so that nobody waits long for SQLite's writer.
"""

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.orm import Session

from db import rules
from db.jobs.events import Event
from db.jobs.filters import JobFilter, Predicate
from db.jobs.jobs import DEAD, PENDING, Job, get
from db.rules import Refused
from db.session import ring

PAGE = 500
RETRIABLE: tuple[Predicate, ...] = (or_(DEAD, and_(PENDING, Job.attempt > 0)),)
DISCARDABLE: tuple[Predicate, ...] = (or_(DEAD, PENDING),)
RESTORABLE: tuple[Predicate, ...] = (
    Job.state == "discarded",
    Job.id.not_in(select(Job.replaces).where(Job.replaces.is_not(None))),
)

# ---- one job -----------------------------------------------------------------------------------------------


def retry(session: Session, job_id: int, now: datetime) -> Job:
    """Give a dead or waiting job its attempts anew, from now on; Refused when there is nothing to retry."""
    job = get(session, job_id, lock=True)
    if job.state not in ("dead", "pending"):
        raise Refused(f"Job {job_id} is {job.state}; only a dead or pending job can be retried.")
    waited = job.state == "pending" and job.attempt == 0
    if waited and job.run_after <= now:
        raise Refused(f"Job {job_id} has not been tried yet; a worker takes it without being asked.")
    job.state, job.run_after, job.trigger, job.finished_at = "pending", now, "operator", None
    # Attempt numbers go on where they were, so every earlier attempt keeps its traceback.
    job.allowed = job.attempt + rules.JOB_ATTEMPTS
    ring(session, "jobs")
    return job


def stop(session: Session, job_id: int, now: datetime) -> Job:
    """Try a waiting job no more: it is dead until somebody retries it. Refused unless it waits after a failure."""
    job = get(session, job_id, lock=True)
    if job.state != "pending" or not job.attempt:
        told = "has not failed yet; discard it instead" if job.state == "pending" else f"is {job.state}"
        raise Refused(f"Job {job_id} {told}; only a job that waits for another attempt can be stopped.")
    job.state, job.finished_at = "dead", now
    return job


def discard(session: Session, job_id: int, reason: str, now: datetime) -> Job:
    """Give a job up, with the reason kept on it; Refused while it runs or once it has ended well."""
    job = get(session, job_id, lock=True)
    if job.state not in ("dead", "pending"):
        raise Refused(f"Job {job_id} is {job.state}; only a dead or pending job can be discarded.")
    job.state, job.note, job.finished_at = "discarded", _required(reason), now
    return job


def restore(session: Session, job_id: int) -> Job:
    """Take back a discard: the job is dead again, and can be retried. Refused where an edited copy stands for it."""
    job = get(session, job_id, lock=True)
    if job.state != "discarded":
        raise Refused(f"Job {job_id} is {job.state}; only a discarded job can be restored.")
    copy = session.scalar(select(Job.id).where(Job.replaces.is_not(None), Job.replaces == job_id))
    if copy is not None:
        raise Refused(f"Job {job_id} was replaced by job {copy}; that one can be retried or edited.")
    job.state, job.note = "dead", None
    return job


def _required(reason: str) -> str:
    if not reason.strip():
        raise Refused("Say why; the reason is kept on the job.")
    return reason.strip()


# ---- an edited copy ----------------------------------------------------------------------------------------


class BadPayload(Refused):
    """Values that the event cannot have; `fields` says of each what to mend."""

    def __init__(self, kind: str, fields: dict[str, str]) -> None:
        super().__init__(f"{kind} cannot have these values: " + "; ".join(f"{n}: {f}" for n, f in fields.items()) + ".")
        self.fields = fields


def fields_of(kind: str) -> dict[str, str] | None:
    """The fields of an event and their types, by name; None for a kind that this release does not know."""
    event = Event.kinds.get(kind)
    if event is None:
        return None
    # Types are kept as text where a module asks for it.
    return {each.name: getattr(each.type, "__name__", str(each.type)) for each in dataclasses.fields(event)}


def checked_payload(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The payload that these values make, typed as the event's fields are; Unfit with a sentence a field."""
    known = fields_of(kind)
    if known is None:
        raise Refused(f"This release does not know {kind}; what it carries cannot be edited.")
    faults = {name: "the event has no such field" for name in values if name not in known}
    try:
        event = TypeAdapter(Event.kinds[kind]).validate_python(dict(values))
    except ValidationError as error:
        for each in error.errors():
            faults.setdefault(str(each["loc"][0]), _told(each))
    if faults:
        raise BadPayload(kind, faults)
    return event.payload()


def _told(error: Any) -> str:
    if error["type"] == "missing":
        return "is missing"
    if error["type"] in ("int_parsing", "int_type", "int_from_float", "int_parsing_size"):
        return f"must be a whole number, not {error['input']!r}"[:120]
    return str(error["msg"])


def replace(session: Session, job_id: int, values: Mapping[str, Any], now: datetime) -> Job:
    """Owe an edited copy of a job, and discard the job itself; the copy. Refused while the job runs or when it is over.

    Fields that are not named keep their values.
    """
    job = get(session, job_id, lock=True)
    if job.state not in ("dead", "pending"):
        told = ": wait for its end" if job.state == "running" else ""
        raise Refused(f"Job {job_id} is {job.state}{told}; only a dead or pending job can be edited.")
    known = fields_of(job.kind) or {}
    payload = checked_payload(
        job.kind, {name: job.payload[name] for name in known if name in job.payload} | dict(values)
    )
    copy = Job(kind=job.kind, payload=payload, reaction=job.reaction, run_after=now, trigger="operator",
               created_at=now, replaces=job.id)  # fmt: skip
    session.add(copy)
    session.flush()
    job.state, job.note, job.finished_at = "discarded", f"edited: job {copy.id} replaces it", now
    ring(session, "jobs")
    return copy


# ---- many --------------------------------------------------------------------------------------------------


def retry_page(session: Session, chosen: JobFilter, after: int, rate: float, begun: int, now: datetime) -> list[int]:
    """Retry the next page of those that match, from the number `after` on: their numbers, none at the end.

    `rate` is how many are released in a second; `begun` how many were before this page.
    """
    ids = _next(session, chosen, RETRIABLE, after)
    if ids:
        again = {"state": "pending", "trigger": "operator", "finished_at": None}
        order = (
            update(Job.__table__).where(Job.__table__.c.id == bindparam("job"))  # type: ignore[arg-type]
            .values(**again, run_after=bindparam("at"), allowed=Job.__table__.c.attempt + rules.JOB_ATTEMPTS)
        )  # fmt: skip
        turns = enumerate(ids, start=begun)
        session.execute(order, [{"job": id_, "at": now + timedelta(seconds=turn / rate)} for turn, id_ in turns])
        ring(session, "jobs")
    return ids


def discard_page(session: Session, chosen: JobFilter, after: int, reason: str, now: datetime) -> list[int]:
    """Discard the next page of those that match, with the reason; as `retry_page`."""
    ids = _next(session, chosen, DISCARDABLE, after)
    _put(session, ids, {"state": "discarded", "note": _required(reason), "finished_at": now})
    return ids


def restore_page(session: Session, chosen: JobFilter, after: int) -> list[int]:
    """Restore the next page of those that match; as `retry_page`."""
    ids = _next(session, chosen, RESTORABLE, after)
    _put(session, ids, {"state": "dead", "note": None})
    return ids


def _next(session: Session, chosen: JobFilter, able: tuple[Predicate, ...], after: int) -> list[int]:
    asked = select(Job.id).where(*chosen.conditions(), *able, Job.id > after).order_by(Job.id).limit(PAGE)
    return list(session.scalars(asked.with_for_update(of=Job)))


def _put(session: Session, ids: list[int], values: dict[str, Any]) -> None:
    if ids:
        session.execute(update(Job).where(Job.id.in_(ids)).values(**values),
                        execution_options={"synchronize_session": False})  # fmt: skip
