"""Each queue's backlog: its size, age and throughput, for all three ledgers."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from db.deliveries.deliveries import WAITING, Delivery
from db.jobs.jobs import OUTSIDE, REACTION, Job, pending
from db.monitoring import ages, heartbeats, pauses
from db.monitoring.pauses import QUEUES, Pause
from db.votes.votes import DIRTY, Vote

MOST = 10_000
"""Counting stops here: to count a million letters for a page would slow the send."""
LATELY = timedelta(minutes=5)


class Backlog(NamedTuple):
    """One queue's backlog. `waiting` counts up to MOST; `oldest` is how long the oldest work has been due, if any."""

    queue: str
    waiting: int
    oldest: datetime | None
    pause: Pause | None

    @property
    def many(self) -> bool:
        """Whether counting stopped at MOST."""
        return self.waiting > MOST


def all_queues(session: Session, now: datetime) -> list[Backlog]:
    """The backlog of each queue, in the order of QUEUES."""
    held = {each.queue: each for each in pauses.paused(session)}
    return [_of(session, queue, held.get(queue), now) for queue in QUEUES]


def standing(session: Session, now: datetime) -> list[Backlog]:
    """The paused queues, in one short query."""
    return [_of(session, each.queue, each, now) for each in pauses.paused(session)]


def _of(session: Session, queue: str, pause: Pause | None, now: datetime) -> Backlog:
    owed, ask_age = _LEDGERS[queue]
    waiting = session.scalar(select(func.count()).select_from(owed.limit(MOST + 1).subquery())) or 0
    age = ask_age(session, now)
    return Backlog(queue, waiting, None if age is None else now - age, pause)


_LEDGERS: dict[str, tuple[Select[Any], Callable[[Session, datetime], timedelta | None]]] = {
    "votes": (select(Vote.id).where(DIRTY), ages.of_votes),
    "jobs": (pending(Job.id, REACTION), ages.of_jobs),
    "mail": (select(Delivery.id).where(WAITING), ages.of_deliveries),
    "outside": (pending(Job.id, OUTSIDE), ages.of_outside),
}


def rates(session: Session, now: datetime) -> dict[str, float]:
    """Recent throughput: votes folded, jobs done, letters settled and requests answered per second."""
    done = select(func.count()).where(Job.finished_at >= now - LATELY, text("state = 'succeeded'"))
    jobs, outside = ((session.scalar(done.where(queue)) or 0) / LATELY.total_seconds() for queue in (REACTION, OUTSIDE))
    return {
        "votes": heartbeats.rate(session, "worker", now) or 0.0,
        "jobs": jobs,
        "mail": heartbeats.rate(session, "sender", now) or 0.0,
        "outside": outside,
    }
