"""Operators' changes to failed jobs: retry, stop, discard or restore one or many, or replace one with an edited copy.

A bulk action covers only the jobs that its operator was shown. It runs in pages, each in a transaction of its own, so
that SQLite's write lock is never held for long.
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
from db.jobs.outside import OutsideRequest
from db.masking import masked_in
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
    """Retry a dead or waiting job now, with all its attempts again. Raises Refused for a job in any other state."""
    job = get(session, job_id, lock=True)
    if job.state not in ("dead", "pending"):
        raise Refused(f"Job {job_id} is {job.state}; only a dead or pending job can be retried.")
    waited = job.state == "pending" and job.attempt == 0
    if waited and job.run_after <= now:
        raise Refused(f"Job {job_id} has not been tried yet; a worker takes it without being asked.")
    job.state, job.run_after, job.trigger, job.finished_at = "pending", now, "operator", None
    # Attempt numbers continue, so that every earlier attempt keeps its traceback.
    job.allowed = job.attempt + rules.JOB_ATTEMPTS
    ring(session, job.queue)
    return job


def stop(session: Session, job_id: int, now: datetime) -> Job:
    """Stop retrying a waiting job: it is dead until an operator retries it. Raises Refused in any other state."""
    job = get(session, job_id, lock=True)
    if job.state != "pending" or not job.attempt:
        told = "has not failed yet; discard it instead" if job.state == "pending" else f"is {job.state}"
        raise Refused(f"Job {job_id} {told}; only a job that waits for another attempt can be stopped.")
    job.state, job.finished_at = "dead", now
    return job


def discard(session: Session, job_id: int, reason: str, now: datetime) -> Job:
    """Discard a job, with a reason. Raises Refused while it runs or once it has succeeded."""
    job = get(session, job_id, lock=True)
    if job.state not in ("dead", "pending"):
        raise Refused(f"Job {job_id} is {job.state}; only a dead or pending job can be discarded.")
    job.state, job.note, job.finished_at = "discarded", _required(reason), now
    return job


def restore(session: Session, job_id: int) -> Job:
    """Undo a discard: the job is dead again, and can be retried. Raises Refused if an edited copy replaced it."""
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
    return masked_in(reason.strip())


# ---- an edited copy ----------------------------------------------------------------------------------------


class BadPayload(Refused):
    """Values that the event's fields do not accept; `fields` holds a message for each."""

    def __init__(self, kind: str, fields: dict[str, str]) -> None:
        super().__init__(f"{kind} cannot have these values: " + "; ".join(f"{n}: {f}" for n, f in fields.items()) + ".")
        self.fields = fields


def fields_of(kind: str) -> dict[str, str] | None:
    """The fields of an event and their types, by name; None for a kind that this release does not know."""
    known = _class_of(kind)
    if known is None:
        return None
    # In a module with `from __future__ import annotations`, dataclasses.Field.type is a string, not a class.
    return {each.name: getattr(each.type, "__name__", str(each.type)) for each in dataclasses.fields(known)}


def _class_of(kind: str) -> type[Event] | type[OutsideRequest] | None:
    return Event.kinds.get(kind) or OutsideRequest.kinds.get(kind)


def checked_payload(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of these values, validated by the event's field types. Raises BadPayload with a message per field."""
    known, shape = fields_of(kind), _class_of(kind)
    if known is None or shape is None:
        raise Refused(f"This release does not know {kind}; what it carries cannot be edited.")
    faults = {name: "the event has no such field" for name in values if name not in known}
    try:
        event = TypeAdapter[Event | OutsideRequest](shape).validate_python(dict(values))
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
    """Queue an edited copy of a job and discard the job. Returns the copy. Raises Refused if the job runs or is over.

    Fields that are not given keep their values.
    """
    job = get(session, job_id, lock=True)
    if job.state not in ("dead", "pending"):
        told = ": wait for its end" if job.state == "running" else ""
        raise Refused(f"Job {job_id} is {job.state}{told}; only a dead or pending job can be edited.")
    known = fields_of(job.kind) or {}
    payload = checked_payload(
        job.kind, {name: job.payload[name] for name in known if name in job.payload} | dict(values)
    )
    copy = Job(kind=job.kind, payload=payload, reaction=job.reaction, receiver=job.receiver, run_after=now,
               trigger="operator", created_at=now, replaces=job.id)  # fmt: skip
    session.add(copy)
    session.flush()
    job.state, job.note, job.finished_at = "discarded", f"edited: job {copy.id} replaces it", now
    ring(session, job.queue)
    return copy


# ---- many --------------------------------------------------------------------------------------------------


def retry_page(session: Session, chosen: JobFilter, after: int, rate: float, begun: int, now: datetime) -> list[int]:
    """Retry the next page of matching jobs, after the number `after` (keyset). Returns their numbers; empty at the end.

    `rate` is the number released per second; `begun` counts those before this page.
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
        ring(session, "outside")
    return ids


def discard_page(session: Session, chosen: JobFilter, after: int, reason: str, now: datetime) -> list[int]:
    """Discard the next page of matching jobs with a reason; works like `retry_page`."""
    ids = _next(session, chosen, DISCARDABLE, after)
    _put(session, ids, {"state": "discarded", "note": _required(reason), "finished_at": now})
    return ids


def restore_page(session: Session, chosen: JobFilter, after: int) -> list[int]:
    """Restore the next page of matching jobs; works like `retry_page`."""
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
