"""Jobs, caused by events: the transactional outbox, the retry queue and the dead-letter store.

A job's life: pending → running (attempt + 1, lease) → succeeded | pending (run_after) | dead | discarded.
The claim is committed before the work begins, so a job that crashes its process uses up an attempt too.
"""

import random
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    JSON,
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    Text,
    TextClause,
    UniqueConstraint,
    and_,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column, relationship

from db import rules
from db.jobs.events import Event
from db.register import FreeFields, FreeText, Plain
from db.session import NEVER_REUSED, BigId, Key, Row, is_sqlite, ring

Value = TypeVar("Value")

PENDING = text("state = 'pending'")
REACTION = text("receiver is null")
OUTSIDE = text("receiver is not null")
_REACTION_DUE, _OUTSIDE_DUE = (text(f"{PENDING.text} and {each.text}") for each in (REACTION, OUTSIDE))
DEAD = text("state = 'dead'")
FAILED = text("outcome in ('failed', 'lost')")
HAS_FAILED = text("failed_at is not null")
REPLACES = text("replaces is not null")
"""Literal SQL: SQLite uses a partial index only if the query's condition has the same text as the index's."""
STATES = ("pending", "running", "succeeded", "dead", "discarded")


class Job(Row):
    """A piece of queued work; `kind` is its event's name, `reaction` the one reaction it runs after splitting.

    An outside job has a `receiver`, the server that it waits for, and its `kind` is an OutsideRequest's name.

    `error`, `said`, `fingerprint` and `failed_at` repeat those of its last failed attempt, so that failures can be
    grouped and searched without reading attempts. `replaces` is the job that this one is an edited copy of.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("cause", "reaction"),
        Index("ix_jobs_reactions_due", "run_after", "id", sqlite_where=_REACTION_DUE, postgresql_where=_REACTION_DUE),
        Index("ix_jobs_outside_due", "run_after", "id", "receiver",
              sqlite_where=_OUTSIDE_DUE, postgresql_where=_OUTSIDE_DUE),
        Index("ix_jobs_state", "state", "id"),
        Index("ix_jobs_dead", "kind", "error", "fingerprint", "failed_at", "id",
              sqlite_where=DEAD, postgresql_where=DEAD),
        Index("ix_jobs_failed", "failed_at", "id", sqlite_where=HAS_FAILED, postgresql_where=HAS_FAILED),
        Index("ix_jobs_finished", "finished_at"),
        Index("uq_jobs_replaces", "replaces", unique=True, sqlite_where=REPLACES, postgresql_where=REPLACES),
        NEVER_REUSED,
    )  # fmt: skip

    id: Mapped[Key]
    kind: Mapped[Plain]
    payload: Mapped[FreeFields] = mapped_column(JSON)
    cause: Mapped[int | None] = mapped_column(BigId, ForeignKey("jobs.id"))
    reaction: Mapped[Plain | None]
    receiver: Mapped[Plain | None]
    state: Mapped[Plain] = mapped_column(default="pending")
    attempt: Mapped[int] = mapped_column(default=0)
    allowed: Mapped[int] = mapped_column(default=rules.JOB_ATTEMPTS)
    run_after: Mapped[datetime]
    lease: Mapped[datetime | None]
    trigger: Mapped[Plain] = mapped_column(default="event")
    note: Mapped[FreeText | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    error: Mapped[Plain | None]
    said: Mapped[FreeText | None] = mapped_column(Text)
    fingerprint: Mapped[FreeText | None]
    failed_at: Mapped[datetime | None]
    replaces: Mapped[int | None] = mapped_column(BigId)
    attempts: Mapped[list["Attempt"]] = relationship(order_by="Attempt.id", viewonly=True)

    @property
    def queue(self) -> str:
        """The queue that works on it."""
        return "jobs" if self.receiver is None else "outside"

    @classmethod
    def has_lapsed(cls, now: datetime) -> ColumnElement[bool]:
        """The condition for a job whose worker gave no sign of life within its lease."""
        return and_(cls.state == "running", cls.lease < now)


class Attempt(Row):
    """One attempt at a job: which worker, when, and how it ended; never changed after its end."""

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_job", "job_id", "id"),
        Index("ix_attempts_failed", "ended_at", sqlite_where=FAILED, postgresql_where=FAILED),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    job_id: Mapped[int] = mapped_column(BigId, ForeignKey("jobs.id"))
    number: Mapped[int]
    worker: Mapped[Plain]
    trigger: Mapped[Plain]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[Plain | None]
    error: Mapped[Plain | None]
    message: Mapped[FreeText | None] = mapped_column(Text)
    fingerprint: Mapped[FreeText | None]
    traceback: Mapped[FreeText | None] = mapped_column(Text)


# ---- changes: queueing work ------------------------------------------------------------------------------


def record(session: Session, event: Event, now: datetime, run_after: datetime | None = None) -> None:
    """Record an event: its job is queued when this transaction commits, for now or for later."""
    session.add(Job(kind=type(event).__name__, payload=event.payload(), run_after=run_after or now, created_at=now))
    ring(session, "jobs")


def record_later(session: Session, event: Event, reaction: str, at: datetime, now: datetime) -> None:
    """Queue one reaction to an event for a later moment."""
    session.add(
        Job(kind=type(event).__name__, payload=event.payload(), reaction=reaction, run_after=at, created_at=now)
    )


def record_once(session: Session, event: Event, now: datetime, run_after: datetime | None = None) -> None:
    """The same, unless an equal job waits: what it will do covers this event as well."""
    waiting = select(Job.payload).where(PENDING, Job.kind == type(event).__name__)
    if event.payload() not in list(session.scalars(waiting)):
        record(session, event, now, run_after)


def split(session: Session, job: Job, reactions: list[str], now: datetime) -> None:
    """Turn an event's job into one job for each reaction, so that each fails and is retried alone."""
    known = set(session.scalars(select(Job.reaction).where(Job.cause == job.id)))
    for name in reactions:
        if name not in known:
            session.add(Job(kind=job.kind, payload=job.payload, cause=job.id, reaction=name,
                            run_after=now, created_at=now))  # fmt: skip
    ring(session, "jobs")


# ---- changes: claim, end ---------------------------------------------------------------------------------


def claim(session: Session, kinds: list[str], worker: str, now: datetime) -> Job | None:
    """Claim the event's job that has waited longest.

    Kinds that this release does not know stay pending: an older worker must not throw away a newer one's work.
    """
    return claim_first(
        session, first_due(Job.id, REACTION, now).where(Job.kind.in_(kinds)), worker, rules.JOB_LEASE, now
    )


def claim_first(session: Session, due: Select[int], worker: str, lease: timedelta, now: datetime) -> Job | None:
    """Claim the job that this query finds, by one conditional UPDATE, so that two workers never hold the same one."""
    if not is_sqlite(session):
        due = due.with_for_update(skip_locked=True)
    job = session.scalars(
        update(Job)
        .where(Job.id == due.scalar_subquery(), Job.state == "pending")
        .values(state="running", attempt=Job.attempt + 1, lease=now + lease)
        .returning(Job),
        execution_options={"populate_existing": True},
    ).first()
    if job is not None:
        session.add(Attempt(job_id=job.id, number=job.attempt, worker=worker, trigger=job.trigger, started_at=now))
    return job


def succeed(session: Session, job: Job, now: datetime) -> bool:
    """Mark the job succeeded, in its effect's transaction. False when the claim is lost: the caller must roll back."""
    return _end(session, job, now, "succeeded", {}, state="succeeded", finished_at=now)


class Failure(NamedTuple):
    """What the ledger keeps of a failed attempt: the error's class, its words, and a hash that similar ones share."""

    error: str
    message: str
    fingerprint: str
    traceback: str = ""


_WORKER_LOST = Failure(
    "WorkerLost",
    "The worker ended without a word: killed, out of memory, or stopped for longer than its lease.",
    "WorkerLost",
)


def fail(session: Session, job: Job, failure: Failure, now: datetime, *, final: bool = False) -> bool:
    """Record a failed attempt: the job waits for its next one, or is dead after the last or a `final` one. False when
    fenced."""
    return _end_badly(session, job, "failed", failure, now, final=final)


def drop(session: Session, job: Job, reason: str, now: datetime) -> bool:
    """Discard a running job that nobody wants any more, with the reason. False when fenced."""
    return _end(session, job, now, "discarded", {}, state="discarded", note=reason, finished_at=now)


def _end_badly(
    session: Session, job: Job, outcome: str, failure: Failure, now: datetime, *, final: bool = False
) -> bool:
    return _end(
        session, job, now, outcome, failure._asdict(),
        error=failure.error, fingerprint=failure.fingerprint, said=failure.message, failed_at=now,
        **_after_failure(job, now, final=final),
    )  # fmt: skip


def _after_failure(job: Job, now: datetime, *, final: bool) -> dict[str, Any]:
    if job.kind in rules.PATIENT_JOBS:
        wait = rules.patient_backoff(job.attempt, random.random())
        return {"state": "pending", "run_after": now + wait, "trigger": "back-off", "allowed": job.attempt + 1}
    if final or job.attempt >= job.allowed:
        return {"state": "dead", "finished_at": now}
    turn = job.attempt - (job.allowed - rules.JOB_ATTEMPTS)
    return {
        "state": "pending",
        "run_after": now + rules.job_backoff(turn, random.random()),
        "trigger": "back-off",
    }


def _end(session: Session, job: Job, now: datetime, outcome: str, of_attempt: dict[str, Any], **of_job: Any) -> bool:
    fence = (Job.id == job.id, Job.attempt == job.attempt, Job.state == "running")
    ended = session.execute(update(Job).where(*fence).values(lease=None, **of_job)).rowcount  # type: ignore[attr-defined]
    if ended != 1:
        return False
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job.id, Attempt.number == job.attempt, Attempt.ended_at.is_(None))
        .values(ended_at=now, outcome=outcome, **of_attempt)
    )
    return True


def recover(session: Session, now: datetime) -> int:
    """End the attempts of dead workers, whose lease has lapsed. Returns how many jobs were recovered."""
    lapsed = select(Job).where(Job.has_lapsed(now)).order_by(Job.id).limit(100)
    if not is_sqlite(session):
        lapsed = lapsed.with_for_update(skip_locked=True)
    rows = list(session.scalars(lapsed))
    for job in rows:
        _end_badly(session, job, "lost", _WORKER_LOST, now)
    return len(rows)


# ---- queries: one queue ---------------------------------------------------------------------------------------


def pending(column: InstrumentedAttribute[Value], queue: TextClause) -> Select[Value]:
    """The pending jobs of one of the two queues. SQLite would read all pending jobs of both, and sort them."""
    index = "ix_jobs_reactions_due" if queue is REACTION else "ix_jobs_outside_due"
    return select(column).where(PENDING, queue).with_hint(Job, f"INDEXED BY {index}", "sqlite")


def first_due(column: InstrumentedAttribute[Value], queue: TextClause, now: datetime) -> Select[Value]:
    """The due job of a queue that has waited longest."""
    return pending(column, queue).where(Job.run_after <= now).order_by(Job.run_after, Job.id).limit(1)


# ---- queries -----------------------------------------------------------------------------------------------


def get(session: Session, job_id: int, *, lock: bool = False) -> Job:
    """The job with that number. Raises Refused when there is none."""
    job = session.get(Job, job_id, with_for_update=lock or None, populate_existing=True)
    if job is None:
        raise rules.Refused(f"There is no job {job_id}; `verdicts jobs list` names those there are.")
    return job


def listed(session: Session, states: list[str], limit: int = 100) -> list[Job]:
    """Jobs in any of these states, newest first."""
    return list(session.scalars(select(Job).where(Job.state.in_(states)).order_by(Job.id.desc()).limit(limit)))


def counts(session: Session) -> dict[str, int]:
    """How many jobs are in each state."""
    found = dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).all())
    return {state: found.get(state, 0) for state in STATES}


def held_up(session: Session, before: datetime) -> list[Job]:
    """The patient jobs from before that moment that were tried and could not be done yet, oldest first."""
    query = select(Job).where(PENDING, Job.kind.in_(rules.PATIENT_JOBS), Job.attempt > 0, Job.created_at < before)
    return list(session.scalars(query.order_by(Job.id).limit(100)))


def any_due(session: Session, kinds: list[str], now: datetime) -> bool:
    """Whether an event's job waits to be worked on now."""
    return session.scalar(first_due(Job.id, REACTION, now).where(Job.kind.in_(kinds))) is not None


def any_lapsed(session: Session, now: datetime) -> bool:
    """Whether a worker's lease has lapsed."""
    return session.scalar(select(Job.id).where(Job.has_lapsed(now)).limit(1)) is not None
