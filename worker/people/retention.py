"""Removes what was kept for its time (db.rules.RETENTION), in small batches, and tells the console how that goes."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from db import limits, removals, rules
from db.deliveries import erasure
from db.deliveries import removal as of_deliveries
from db.feedback import events, feedback
from db.jobs import removal as of_jobs
from db.removals import Removed
from db.rules import Retention
from db.session import Session, reading, writing
from db.subscribers import unconfirmed
from db.webhooks import messages

BATCH = 200
"""Rows of one transaction: SQLite's write lock is held for some ten milliseconds."""
MOST = 10_000
"""Counting what waits stops here."""

Batch = Callable[[Session, datetime, int], int]
"""Removes the next rows whose time is over, at most so many. Returns how many."""


REMOVE: dict[str, tuple[Batch, ...]] = {
    "sign-ups": (erasure.forget_sign_ups,),
    "limits": (limits.forget_full,),
    "webhook messages": (messages.forget,),
    "raw events": (events.forget,),
    "feedback": (feedback.remove,),
    "jobs": (of_jobs.remove,),
    "deliveries": (of_deliveries.remove_of_digests, of_deliveries.remove_single),
}
"""Who removes what. Outages, failed logins and heartbeats are removed where their next row is written."""


def _count_sign_ups(session: Session, now: datetime, most: int) -> int:
    return len(unconfirmed.over(session, now, most))


_COUNT: dict[str, Callable[[Session, datetime, int], int]] = {
    "sign-ups": _count_sign_ups,
    "jobs": of_jobs.count,
    "deliveries": of_deliveries.count,
}
_ANY: dict[str, Callable[[Session, datetime], bool]] = {
    "limits": limits.any_full,
    "webhook messages": messages.any_old,
    "raw events": events.any_old,
    "feedback": feedback.any_old,
}
"""Whether anything waits, where nobody counts it."""


def _waits(session: Session, kind: str, now: datetime) -> bool:
    return _ANY[kind](session, now) if kind in _ANY else _COUNT[kind](session, now, 1) > 0


def remove(kind: str, now: datetime) -> int:
    """Remove one batch of that kind, and count it. Returns how many."""
    with reading() as session:
        if not _waits(session, kind, now):
            return 0
    with writing() as session:
        gone = 0
        for batch in REMOVE[kind]:
            gone = gone or batch(session, now, BATCH)
        removals.count(session, kind, gone, now)
    return gone


# ---- for the console -----------------------------------------------------------------------------------------


class Kept(NamedTuple):
    """One kind of data: for how long it is kept, what was removed, and how many rows wait for it."""

    rule: Retention
    removed: Removed | None
    waiting: int | None
    """None where nothing is removed, or other code does it at once."""


def report(session: Session, now: datetime) -> list[Kept]:
    """What is kept how long."""
    known = removals.by_kind(session)
    return [
        Kept(rule, known.get(kind), _COUNT[kind](session, now, MOST) if kind in _COUNT else None)
        for kind, rule in rules.RETENTION.items()
    ]
