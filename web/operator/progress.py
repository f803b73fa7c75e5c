"""How far digests are: asked of the ledger so seldom that asking costs at most a twentieth of the time.

Each web process keeps its last look. An order forgets it, so that whoever gave the order sees what it did.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from flask import current_app
from sqlalchemy import func, select

from db import deliveries, outcomes
from db.deliveries import Account
from db.digests import Digest
from db.heartbeats import Heartbeat
from db.outcomes import Reply
from db.session import reading

SHARE = 20
"""A look holds for so many times as long as it took, and for a second at least."""
_BEHIND = 30.0
"""Seconds over which the rate is taken."""


@dataclass(frozen=True, slots=True)
class Look:
    """A digest's numbers, as first seen `at`; `rate` is letters a second, None while nobody can say."""

    account: Account
    replies: list[Reply]
    at: datetime
    rate: float | None = None
    holds_for: float = 1.0

    @property
    def left(self) -> timedelta | None:
        """How long it takes at this rate to try all that wait."""
        waits = self.account.unaddressed + self.account.states["pending"] + self.account.states["sending"]
        return timedelta(seconds=waits / self.rate) if self.rate else None


@dataclass(slots=True)
class _Kept:
    """What this process knows of one digest, as long as that is in `state`."""

    state: str
    look: Look
    until: float
    seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=64))


def of(digest: Digest) -> Look:
    """The digest's numbers, not older than they may be."""
    kept: dict[int, _Kept] = current_app.extensions.setdefault("digests", {})
    known = kept.get(digest.id)
    if known and known.state == digest.state and time.monotonic() < known.until:
        return known.look
    began = time.monotonic()
    with reading(snapshot=True) as session:
        account = deliveries.progress(session, digest)
        replies = outcomes.replies(session, digest.id)
    took = time.monotonic() - began
    seen = known.seen if known else deque(maxlen=64)
    seen.append((began, _tried(account)))
    holds = max(1.0, SHARE * took)
    rate = _rate(seen) if digest.state == "sending" else None
    same = known is not None and (known.look.account, known.look.replies) == (account, replies)
    look = Look(account, replies, known.look.at if known and same else datetime.now(UTC), rate, holds)
    kept[digest.id] = _Kept(digest.state, look, began + took + holds, seen)
    return look


def forget(digest_id: int) -> None:
    """Somebody changed it: look again."""
    kept: dict[int, _Kept] = current_app.extensions.get("digests", {})
    if digest_id in kept:
        kept[digest_id].until = 0.0


def _tried(account: Account) -> int:
    waits = account.unaddressed + account.states["pending"] + account.states["sending"]
    return account.audience - waits


def _rate(seen: deque[tuple[float, int]]) -> float | None:
    """Letters a second between two looks; on the first one, what the senders say of themselves."""
    at, tried = seen[-1]
    while len(seen) > 2 and at - seen[0][0] > _BEHIND:
        seen.popleft()
    before, then = seen[0]
    if at - before >= 1:
        return max(0.0, (tried - then) / (at - before))
    with reading() as session:
        lately = datetime.now(UTC) - timedelta(seconds=_BEHIND)
        alive = Heartbeat.kind == "sender", Heartbeat.at > lately, Heartbeat.seconds > 0
        rate = session.scalar(select(func.sum(Heartbeat.done / Heartbeat.seconds)).where(*alive))
    return None if rate is None else float(rate)
