"""How much each queue owes, for how long, and how fast it goes: three ledgers asked alike."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from db import heartbeats, queues
from db.claims import Claim
from db.deliveries import WAITING, Delivery
from db.jobs import PENDING, Job
from db.queues import QUEUES, Pause
from db.votes import DIRTY, Vote

MOST = 10_000
"""Counting ends here: a page that counted a million letters would cost the send more than it tells."""
_SAMPLE = 1_000
LATELY = timedelta(minutes=5)


class Backlog(NamedTuple):
    """What one queue owes. `waiting` counts up to MOST; `oldest` is since when the oldest work is due, if any is."""

    queue: str
    waiting: int
    oldest: datetime | None
    pause: Pause | None

    @property
    def many(self) -> bool:
        """Whether there is more than was counted."""
        return self.waiting > MOST


def all_queues(session: Session, now: datetime) -> list[Backlog]:
    """Each queue, in their order."""
    held = {each.queue: each for each in queues.paused(session)}
    return [Backlog(queue, *_ASKED[queue](session, now), held.get(queue)) for queue in QUEUES]


def standing(session: Session, now: datetime) -> list[Backlog]:
    """The queues that are paused; one short question where none is."""
    return [Backlog(each.queue, *_ASKED[each.queue](session, now), each) for each in queues.paused(session)]


def _count(session: Session, asked: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(asked.limit(MOST + 1).subquery())) or 0


def _votes(session: Session, now: datetime) -> tuple[int, datetime | None]:  # noqa: ARG001
    first = select(Vote.cast_at).where(DIRTY).order_by(Vote.id).limit(_SAMPLE).subquery()
    return _count(session, select(Vote.id).where(DIRTY)), session.scalar(select(func.min(first.c.cast_at)))


def _jobs(session: Session, now: datetime) -> tuple[int, datetime | None]:
    due = select(func.min(Job.run_after)).where(PENDING, Job.run_after <= now)
    return _count(session, select(Job.id).where(PENDING)), session.scalar(due)


def _mail(session: Session, now: datetime) -> tuple[int, datetime | None]:
    """Of a digest to a million all letters are due at once: its first ones tell the age of all."""
    found = []
    for which in (Delivery.letter == "digest", Delivery.letter != "digest"):
        first = select(Delivery.not_before).where(WAITING, which).order_by(Delivery.letter, Delivery.about, Delivery.id)
        sample = first.limit(_SAMPLE).subquery()
        found.append(session.scalar(select(func.min(sample.c.not_before)).where(sample.c.not_before <= now)))
    waiting = _count(session, select(Delivery.id).where(WAITING))
    return waiting, min((moment for moment in found if moment), default=None)


_ASKED: dict[str, Callable[[Session, datetime], tuple[int, datetime | None]]] = {
    "votes": _votes,
    "jobs": _jobs,
    "mail": _mail,
}


def rates(session: Session, now: datetime) -> dict[str, float]:
    """Votes folded, jobs done and letters settled a second, lately."""
    done = select(func.count()).where(Job.finished_at >= now - LATELY, text("state = 'succeeded'"))
    return {
        "votes": heartbeats.rate(session, "worker", now),
        "jobs": (session.scalar(done) or 0) / LATELY.total_seconds(),
        "mail": heartbeats.rate(session, "sender", now),
    }


def lapsed_claims(session: Session, now: datetime, limit: int = 20) -> list[Claim]:
    """Senders' holds on letters whose lease has lapsed: the sweep ends them within seconds, where one runs."""
    return list(session.scalars(select(Claim).where(Claim.lease < now).order_by(Claim.lease).limit(limit)))
