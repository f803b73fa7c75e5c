"""Digests' progress, cached so that its queries take at most a twentieth of the time.

Each web process has its own cache. An action invalidates it, so that the operator who acted sees the effect.
"""

import math
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread

import structlog
from flask import current_app

from db.deliveries import accounts, exceptions
from db.deliveries.accounts import Account
from db.deliveries.exceptions import ReplyGroup
from db.digests.digests import Digest
from db.monitoring import heartbeats
from db.session import reading
from web.operator.frame.cached import Cached, counting

log = structlog.get_logger("console")

SHARE = 20
"""A cached result stays fresh for this many times as long as it took, and at least a second."""
_BEHIND = 30.0
"""Seconds over which the rate is measured."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A digest's numbers as of `at`; `rate` is letters a second, None while it is unknown."""

    account: Account
    replies: list[ReplyGroup]
    at: datetime
    rate: float | None = None
    holds_for: float = 1.0

    @property
    def left(self) -> timedelta | None:
        """The estimated time to send all waiting letters at this rate."""
        waits = self.account.unaddressed + self.account.states["pending"] + self.account.states["sending"]
        return timedelta(seconds=math.ceil(waits / self.rate)) if self.rate else None


@dataclass(slots=True)
class _Kept:
    """This process's cache entry for one digest: the last result, its expiry, and whether a refresh is running."""

    look: Progress | None = None
    state: str = ""
    until: float = 0.0
    asking: Event | None = None
    seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=64))


_lock = Lock()


def of(digest: Digest, patience: float | None = None) -> Progress | None:
    """The digest's numbers; stale ones, or at first none, if counting takes longer than a page may wait."""
    kept: dict[int, _Kept] = current_app.extensions.setdefault("digests", {})
    with _lock:
        known = kept.setdefault(digest.id, _Kept())
        if known.look and known.state == digest.state and time.monotonic() < known.until:
            return known.look
        asking = known.asking
        if asking is None:
            asking = known.asking = Event()
            Thread(target=_renew, args=(known, digest, asking), name="question", daemon=True).start()
    asking.wait(Cached.patience if patience is None else patience)
    return known.look


def _renew(known: _Kept, digest: Digest, asking: Event) -> None:
    try:
        look = _look(known, digest)
        known.look, known.state, known.until = look, digest.state, time.monotonic() + look.holds_for
    except Exception:
        log.exception("digest not counted", slot=digest.slot)
    finally:
        known.asking = None
        asking.set()


def _look(known: _Kept, digest: Digest) -> Progress:
    with counting() as session:
        began = time.monotonic()
        account = accounts.progress(session, digest)
        replies = exceptions.replies(session, digest.id)
    known.seen.append((began, _tried(account)))
    rate = _rate(known.seen) if digest.state == "sending" else None
    before = known.look
    same = before is not None and (before.account, before.replies) == (account, replies)
    at = before.at if before and same else datetime.now(UTC)
    return Progress(account, replies, at, rate, max(1.0, SHARE * (time.monotonic() - began)))


def account_of(digest: Digest) -> Account | None:
    """The account without a rate; for an ended digest it is stored on the digest."""
    if digest.outcomes is not None:
        with reading() as session:
            return accounts.progress(session, digest)
    look = of(digest)
    return look.account if look else None


def forget(digest_id: int) -> None:
    """Invalidate the cache after a change, and ignore a count that is running now."""
    current_app.extensions.get("digests", {}).pop(digest_id, None)


def _tried(account: Account) -> int:
    waits = account.unaddressed + account.states["pending"] + account.states["sending"]
    return account.audience - waits


def _rate(seen: deque[tuple[float, int]]) -> float | None:
    """Letters a second between two results; at first, the senders' own figures from their heartbeats."""
    at, tried = seen[-1]
    while len(seen) > 2 and at - seen[0][0] > _BEHIND:
        seen.popleft()
    before, then = seen[0]
    if at - before >= 1:
        return max(0.0, (tried - then) / (at - before))
    with reading() as session:
        return heartbeats.rate(session, "sender", datetime.now(UTC), timedelta(seconds=_BEHIND))
