"""How many letters may be begun now, over all senders on all hosts: as a whole, and for a recipient's domain.

A token bucket a row. A domain's row also knows when its queue ends: letters that it has no token for are put off to
a time of their own there, so that they neither come up again at once nor keep others waiting.
"""

import math
from datetime import datetime, timedelta

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.session import Moment, Row

EVERYBODY = "*"
"""The row of all letters; a claim locks it, so claims are counted one after the other."""
BURST = timedelta(seconds=2)
"""What may be saved up: the clock's sweep comes round in this time."""


class TokenBucket(Row):
    """A token bucket: how many letters were allowed at a moment, and when a domain's queue ends."""

    __tablename__ = "allowances"

    name: Mapped[str] = mapped_column(primary_key=True)
    tokens: Mapped[float]
    at: Mapped[datetime]
    queued_to: Mapped[datetime]


def lock(session: Session, name: str, now: datetime) -> TokenBucket:
    """The row of that name, held until the transaction ends; a new one is full."""
    session.execute(_NEW, {"name": name, "now": now})
    return session.get_one(TokenBucket, name, with_for_update=True, populate_existing=True)


def lock_domain(session: Session, domain: str, now: datetime) -> TokenBucket:
    """The row of letters to that domain, held likewise."""
    return lock(session, f"to {domain}", now)


_NEW = text(
    "INSERT INTO allowances (name, tokens, at, queued_to) VALUES (:name, 1e9, :now, :now) ON CONFLICT (name) DO NOTHING"
).bindparams(bindparam("now", type_=Moment()))


def take(row: TokenBucket, rate: float, wanted: int, now: datetime) -> int:
    """Take up to `wanted` letters from a bucket that fills at `rate` letters a second; how many there were."""
    most = max(1.0, rate * BURST.total_seconds())
    since = max(0.0, (now - row.at).total_seconds())
    tokens = min(most, row.tokens + since * rate)
    taken = min(wanted, math.floor(tokens))
    row.tokens, row.at = tokens - taken, max(now, row.at)
    return taken


def next_in(row: TokenBucket, rate: float) -> timedelta:
    """How long until the bucket holds a letter again."""
    return timedelta(seconds=max(0.0, 1 - row.tokens) / rate)


def queue(row: TokenBucket, rate: float, number: int, now: datetime) -> list[datetime]:
    """Times of their own, one behind the other at the domain's rate, for letters that have to wait."""
    first = max(row.queued_to, now + BURST)
    times = [first + timedelta(seconds=each / rate) for each in range(number)]
    row.queued_to = times[-1] + timedelta(seconds=1 / rate) if times else row.queued_to
    return times
