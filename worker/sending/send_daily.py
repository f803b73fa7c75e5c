"""A sender under SEND_DAILY: it leaves while the day's letters are sent, and connects to no mail server meanwhile."""

import os
from collections.abc import Sequence
from datetime import datetime

from db.deliveries.limits import daily_limit
from db.session import Session, writing
from db.settings import settings

_uncounting: set[tuple[int, str]] = set()
"""The processes, with their database, that have begun to send without SEND_DAILY."""


def not_waiting(session: Session, owed: Sequence[int | None], daily: int, now: datetime) -> Sequence[int | None]:
    """Of the work that is due, what SEND_DAILY leaves room for. claim() asks again under a lock."""
    if not daily:
        _count_no_longer()
        return owed
    used = daily_limit.used(session, now) if owed else None
    return [each for each in owed if used and used.room(daily, single=each is None)]


def _count_no_longer() -> None:
    """Delete the counts once in this process, before its first letter that nobody counts."""
    process = os.getpid(), settings().database_url
    if process not in _uncounting:
        with writing() as session:
            daily_limit.forget(session)
        _uncounting.add(process)
