"""How much each queue owes, for how long, and how fast it goes: three ledgers asked alike."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from db.deliveries.claims import Claim
from db.deliveries.deliveries import WAITING, Delivery
from db.jobs.jobs import PENDING, Job
from db.monitoring import ages, heartbeats, pauses
from db.monitoring.pauses import QUEUES, Pause
from db.votes.votes import DIRTY, Vote

MOST = 10_000
"""Counting ends here: a page that counted a million letters would cost the send more than it tells."""
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
    held = {each.queue: each for each in pauses.paused(session)}
    return [_of(session, queue, held.get(queue), now) for queue in QUEUES]


def standing(session: Session, now: datetime) -> list[Backlog]:
    """The queues that are paused; one short question where none is."""
    return [_of(session, each.queue, each, now) for each in pauses.paused(session)]


def _of(session: Session, queue: str, pause: Pause | None, now: datetime) -> Backlog:
    owed, ask_age = _LEDGERS[queue]
    waiting = session.scalar(select(func.count()).select_from(owed.limit(MOST + 1).subquery())) or 0
    age = ask_age(session, now)
    return Backlog(queue, waiting, None if age is None else now - age, pause)


_LEDGERS: dict[str, tuple[Select[Any], Callable[[Session, datetime], timedelta | None]]] = {
    "votes": (select(Vote.id).where(DIRTY), ages.of_votes),
    "jobs": (select(Job.id).where(PENDING), ages.of_jobs),
    "mail": (select(Delivery.id).where(WAITING), ages.of_deliveries),
}


def rates(session: Session, now: datetime) -> dict[str, float]:
    """Votes folded, jobs done and letters settled a second, lately."""
    done = select(func.count()).where(Job.finished_at >= now - LATELY, text("state = 'succeeded'"))
    return {
        "votes": heartbeats.rate(session, "worker", now) or 0.0,
        "jobs": (session.scalar(done) or 0) / LATELY.total_seconds(),
        "mail": heartbeats.rate(session, "sender", now) or 0.0,
    }


def lapsed_claims(session: Session, now: datetime, limit: int = 20) -> list[Claim]:
    """Senders' holds on letters whose lease has lapsed: the sweep ends them within seconds, where one runs."""
    return list(session.scalars(select(Claim).where(Claim.lease < now).order_by(Claim.lease).limit(limit)))
