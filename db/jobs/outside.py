"""Outside jobs: each is a request to somebody else's server, kept in the same ledger as the jobs of events.

claim commits → request, with no transaction open → settle, fenced by (id, attempt): at least once, with the same id.
"""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Select, update
from sqlalchemy.orm import Session

from db import rules
from db.jobs.jobs import OUTSIDE, Job, claim_first, first_due
from db.session import ring


@dataclass(frozen=True)
class OutsideRequest:
    """What an outside job asks of another server; its fields are plain values that the job stores as JSON."""

    kinds: ClassVar[dict[str, type["OutsideRequest"]]] = {}

    def __init_subclass__(cls) -> None:
        OutsideRequest.kinds[cls.__name__] = cls

    def payload(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def from_payload(kind: str, payload: dict[str, Any]) -> OutsideRequest:
    """The request of that kind; KeyError for a kind this release does not know, TypeError for wrong fields."""
    return OutsideRequest.kinds[kind](**payload)


def owe(
    session: Session, request: OutsideRequest, receiver: str, now: datetime, run_after: datetime | None = None
) -> Job:
    """Queue a request: the outside line makes it after this transaction commits, or later.

    `receiver` names the server (its host): a few requests at most are made to one at a time.
    """
    job = Job(kind=type(request).__name__, payload=request.payload(), receiver=receiver, run_after=run_after or now,
              created_at=now)  # fmt: skip
    session.add(job)
    if run_after is None:
        ring(session, "outside")
    return job


def claim(session: Session, kinds: Collection[str], busy: Collection[str], worker: str, now: datetime) -> Job | None:
    """Claim the outside job that has waited longest, but for those whose receiver is busy."""
    return claim_first(session, _due(kinds, busy, now), worker, rules.OUTSIDE_LEASE, now)


def put_off(session: Session, job: Job, until: datetime) -> None:
    """Give a job whose attempt has just failed its next one at that moment, in place of what the ledger chose: also one
    whose attempts were used up."""
    again = {"state": "pending", "run_after": until, "trigger": "back-off", "finished_at": None}
    _after_failure(session, job, **again, allowed=max(job.allowed, job.attempt + 1))


def set_aside(session: Session, job: Job, reason: str, now: datetime) -> None:
    """Discard a job whose attempt has just failed, with the reason; an operator can restore it."""
    _after_failure(session, job, state="discarded", note=reason, finished_at=now)


def _after_failure(session: Session, job: Job, **values: Any) -> None:
    same = Job.id == job.id, Job.attempt == job.attempt, Job.state.in_(("pending", "dead"))
    session.execute(update(Job).where(*same).values(**values))


def any_due(session: Session, kinds: Collection[str], busy: Collection[str], now: datetime) -> bool:
    """Whether an outside job waits to be made now whose receiver is not busy."""
    return session.scalar(_due(kinds, busy, now)) is not None


def _due(kinds: Collection[str], busy: Collection[str], now: datetime) -> Select[int]:
    return first_due(Job.id, OUTSIDE, now).where(Job.kind.in_(kinds), Job.receiver.not_in(busy))
