"""Digests' progress, cached so that its queries take at most a twentieth of the time.

Each web process has its own cache. An action invalidates it, so that the operator who acted sees the effect.
"""

import math
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import current_app

from db import moments
from db.deliveries import accounts, exceptions
from db.deliveries.accounts import Account
from db.deliveries.exceptions import ReplyGroup
from db.digests.digests import Digest
from db.monitoring import heartbeats
from db.session import Session, reading
from web.operator.frame.cached import LEAST, Cached, Entry, fresh_for

_BEHIND, _MOST = 30.0, 64
"""The rate is measured over this many seconds, from at most this many counts."""
Seen = tuple[tuple[float, int], ...]
"""When the last counts began, and how many letters had been tried by then."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A digest's numbers as of `at`; `rate` is letters a second, None while it is unknown."""

    account: Account
    replies: list[ReplyGroup]
    at: datetime
    rate: float | None = None
    holds_for: float = LEAST
    seen: Seen = field(default=(), repr=False)

    @property
    def waits(self) -> int:
        """How many letters were not tried yet."""
        return _waits(self.account)

    @property
    def left(self) -> timedelta | None:
        """The estimated time to send all waiting letters at this rate."""
        return timedelta(seconds=math.ceil(self.waits / self.rate)) if self.rate else None


def of(digest: Digest, patience: float | None = None) -> Progress | None:
    """The digest's numbers; stale ones, or at first none, if counting takes longer than a page may wait."""
    entry = _entries().setdefault(digest.id, Entry())
    asking = entry.begin(lambda session: _look(session, digest, entry.answer), mark=digest.state)
    if asking is not None:
        asking.wait(Cached.patience if patience is None else patience)
    return entry.answer


def _entries() -> dict[int, Entry[Progress]]:
    entries: dict[int, Entry[Progress]] = current_app.extensions.setdefault("digests", {})
    return entries


def _look(session: Session, digest: Digest, before: Progress | None) -> Progress:
    began = time.monotonic()
    account = accounts.progress(session, digest)
    replies = exceptions.replies(session, digest.id)
    took = time.monotonic() - began
    seen = _recent((*(before.seen if before else ()), (began, _tried(account))))
    rate = _rate(session, seen) if digest.state == "sending" else None
    same = before is not None and (before.account, before.replies) == (account, replies)
    at = before.at if before and same else moments.now()
    return Progress(account, replies, at, rate, fresh_for(took), seen)


def account_of(digest: Digest) -> Account | None:
    """The account without a rate; for an ended digest it is stored on the digest."""
    if digest.outcomes is not None:
        with reading() as session:
            return accounts.progress(session, digest)
    look = of(digest)
    return look.account if look else None


def forget(digest_id: int) -> None:
    """Invalidate the cache after a change, and ignore a count that is running now."""
    _entries().pop(digest_id, None)


def _waits(account: Account) -> int:
    return account.unaddressed + account.states["pending"] + account.states["sending"]


def _tried(account: Account) -> int:
    return account.audience - _waits(account)


def _recent(seen: Seen) -> Seen:
    """The counts that began in the last _BEHIND seconds, but at least the last two and at most _MOST."""
    now = seen[-1][0]
    begins = next(at for at in range(len(seen)) if len(seen) - at <= 2 or now - seen[at][0] <= _BEHIND)
    return seen[begins:][-_MOST:]


def _rate(session: Session, seen: Seen) -> float | None:
    """Letters a second between two results; at first, the senders' own figures from their heartbeats."""
    (before, then), (at, tried) = seen[0], seen[-1]
    if at - before >= 1:
        return max(0.0, (tried - then) / (at - before))
    return heartbeats.rate(session, "sender", moments.now(), timedelta(seconds=_BEHIND))
