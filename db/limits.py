"""Limits over all hosts: how many tokens a network, or a mailbox, has taken from its bucket lately.

A token comes back one `span` after it was taken, so that no span holds more than the limit; a bucket that refills at a
steady rate lets nearly twice as many through. Keys are keyed hashes: no address and no network stands here in clear.
"""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Annotated

from sqlalchemy import JSON, Index, bindparam, delete, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.register import KeyedHash, holds
from db.session import Moment, Row
from db.settings import settings


class Bucket(Row):
    """The tokens of one network or mailbox that are out: when each was taken, in seconds since 1970, oldest first."""

    __tablename__ = "buckets"
    __table_args__ = (Index("ix_buckets_full_at", "full_at"),)

    key: Mapped[KeyedHash] = mapped_column(primary_key=True)
    taken: Mapped[Annotated[list[float], holds("none")]] = mapped_column(JSON)
    full_at: Mapped[datetime]
    """When all are back at the latest; then the row tells nothing any more."""

    def wait(self, most: int, span: timedelta, now: datetime) -> timedelta | None:
        """How long until a token is there; None if one is there now."""
        out = self._out(span, now)
        if len(out) < most:
            return None
        return datetime.fromtimestamp(out[-most], UTC) + span - now

    def take(self, span: timedelta, now: datetime) -> None:
        """Take one token."""
        self.taken = [*self._out(span, now), now.timestamp()]

    def _out(self, span: timedelta, now: datetime) -> list[float]:
        # One that was taken a span ahead of now is from before the clock was set back.
        return [at for at in self.taken if now - span < datetime.fromtimestamp(at, UTC) < now + span]


def lock(session: Session, kind: str, name: str, span: timedelta, now: datetime) -> Bucket:
    """The bucket of this name, locked until the transaction ends."""
    key = hmac.digest(settings().keys[0], f"limit {kind} {name}".encode(), "sha256").hex()
    session.execute(_TOUCH, {"key": key, "full_at": now + span})
    return session.get_one(Bucket, key, populate_existing=True)


_TOUCH = text(
    "INSERT INTO buckets (key, taken, full_at) VALUES (:key, '[]', :full_at)"
    " ON CONFLICT (key) DO UPDATE SET full_at = excluded.full_at"
).bindparams(bindparam("full_at", type_=Moment()))
# The update locks the row, also against whoever deletes those that are over.


def any_full(session: Session, now: datetime) -> bool:
    """Whether there is a bucket whose tokens are all back."""
    return session.scalar(select(Bucket.key).where(Bucket.full_at <= now).limit(1)) is not None


def forget_full(session: Session, now: datetime, limit: int) -> int:
    """Delete buckets whose tokens are all back, at most `limit`. Returns how many."""
    full = select(Bucket.key).where(Bucket.full_at <= now).order_by(Bucket.full_at).limit(limit)
    full = full.with_for_update(skip_locked=True)  # a sign-up locks two buckets: waiting for it could be a deadlock
    # Selected first: as a subquery PostgreSQL may run it once a row, and then delete more than `limit`.
    keys = list(session.scalars(full))
    gone = session.execute(delete(Bucket).where(Bucket.key.in_(keys), Bucket.full_at <= now))
    return int(gone.rowcount)  # type: ignore[attr-defined]
