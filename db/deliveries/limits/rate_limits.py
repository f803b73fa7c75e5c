"""Rate limits over all senders on all hosts, in total and per recipient domain.

Each row is a token bucket. A domain's row also holds the end of its queue: letters without a token get a later time of
their own there, so that they are not claimed again at once and do not block others.
"""

import math
from datetime import datetime, timedelta

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.register import Plain
from db.session import Moment, Row, is_sqlite

EVERYBODY = "*"
"""The bucket of all letters; a claim locks its row, so claims are counted one at a time."""
LOCK_WAIT = "2s"
"""How long a claim waits for that lock on PostgreSQL; on SQLite as long as for any other."""
BURST = timedelta(seconds=2)
"""A full bucket holds the tokens that accrue in this time. Senders look that often by themselves, so none is lost."""


class TokenBucket(Row):
    """A token bucket: its tokens at a moment, and the end of a domain's queue."""

    __tablename__ = "allowances"

    name: Mapped[Plain] = mapped_column(primary_key=True)
    tokens: Mapped[float]
    at: Mapped[datetime]
    queued_to: Mapped[datetime]
    counted_since: Mapped[datetime | None]
    """Of the bucket of all letters: since when each letter is counted for SEND_DAILY (daily_limit.py)."""


def lock(session: Session, name: str, now: datetime) -> TokenBucket:
    """The bucket of that name, locked until the transaction ends; a new one is full.

    On PostgreSQL the transaction waits for no lock longer than LOCK_WAIT from now on, and then fails
    (db.refusals.is_lock): whoever holds this one may have vanished.
    """
    if is_sqlite(session):
        session.execute(_NEW, {"name": name, "now": now})
    else:
        session.execute(_NEW_POSTGRESQL, {"name": name, "now": now, "wait": LOCK_WAIT})
    return session.get_one(TokenBucket, name, with_for_update=True, populate_existing=True)


def lock_domain(session: Session, domain: str, now: datetime) -> TokenBucket:
    """The bucket of a domain, locked in the same way as lock() does it."""
    return lock(session, f"to {domain}", now)


_NOW = bindparam("now", type_=Moment())
_NEW = text(
    "INSERT INTO allowances (name, tokens, at, queued_to) VALUES (:name, 1e9, :now, :now) ON CONFLICT (name) DO NOTHING"
).bindparams(_NOW)
_NEW_POSTGRESQL = text(  # one round trip, also for the time-out
    "INSERT INTO allowances (name, tokens, at, queued_to) SELECT :name, 1e9, :now, :now"
    " FROM set_config('lock_timeout', :wait, true) ON CONFLICT (name) DO NOTHING"
).bindparams(_NOW)


def take(row: TokenBucket, rate: float, wanted: int, now: datetime) -> int:
    """Take up to `wanted` tokens from a bucket that refills at `rate` letters a second. Returns how many it had."""
    most = max(1.0, rate * BURST.total_seconds())
    since = max(0.0, (now - row.at).total_seconds())
    tokens = min(most, row.tokens + since * rate)
    taken = min(wanted, math.floor(tokens))
    row.tokens, row.at = tokens - taken, max(now, row.at)
    return taken


def next_in(row: TokenBucket, rate: float) -> timedelta:
    """The wait until the bucket holds a token again."""
    return timedelta(seconds=max(0.0, 1 - row.tokens) / rate)


def queue(row: TokenBucket, rate: float, number: int, now: datetime) -> list[datetime]:
    """Later times, spaced at the domain's rate, for letters that have to wait."""
    first = max(row.queued_to, now + BURST)
    times = [first + timedelta(seconds=each / rate) for each in range(number)]
    row.queued_to = times[-1] + timedelta(seconds=1 / rate) if times else row.queued_to
    return times
