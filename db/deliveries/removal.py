"""Deliveries are removed when their time is over. A digest's go once it has ended; it keeps its final account."""

from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, func, select, text
from sqlalchemy.orm import Session

from db import rules
from db.deliveries.deliveries import SINGLE, Delivery
from db.digests.digests import Digest, TestLetter

KEPT = rules.kept("deliveries")
_ENDED = ("finished", "cancelled")
_OPEN = ("pending", "deferred", "sending")


def remove_of_digests(session: Session, now: datetime, limit: int) -> int:
    """Remove the next deliveries of a digest that ended so long ago, at most `limit`. Returns how many.

    The digest is locked and read again, so that a retry at this moment keeps its letters. How many are gone stands on
    it, and what became of them in its `outcomes`.
    """
    query = select(Digest).where(*_over(now)).order_by(Digest.id).limit(1)
    digest = session.scalars(query.with_for_update(skip_locked=True)).first()
    if digest is None:
        return 0
    gone = int(session.execute(_REMOVE, {"digest": digest.id, "limit": limit}).rowcount)  # type: ignore[attr-defined]
    digest.removed = (digest.removed or 0) + gone
    return gone


# In the order of the unique index, which finds them without reading other digests' letters.
_REMOVE = text(
    "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE letter = 'digest' AND about = :digest"
    " ORDER BY letter, about, person LIMIT :limit)"
)


def remove_single(session: Session, now: datetime, limit: int) -> int:
    """Remove the next other deliveries, and test letters with theirs. Returns how many deliveries."""
    query = select(Delivery.id).where(*_single_over(now)).order_by(Delivery.created_at).limit(limit)
    ids = list(session.scalars(query.with_for_update(skip_locked=True)))
    plain = {"synchronize_session": False}
    session.execute(delete(Delivery).where(Delivery.id.in_(ids)), execution_options=plain)
    kept = exists().where(Delivery.letter == "test", Delivery.about == TestLetter.id)
    session.execute(delete(TestLetter).where(TestLetter.asked_at <= now - KEPT, ~kept), execution_options=plain)
    return len(ids)


def count(session: Session, now: datetime, most: int) -> int:
    """How many deliveries wait to be removed; of single ones, counting stops at `most`."""
    left = select(func.sum(Digest.audience - func.coalesce(Digest.removed, 0))).where(*_over(now))
    single = select(Delivery.id).where(*_single_over(now)).limit(most).subquery()
    return int(session.scalar(left) or 0) + (session.scalar(select(func.count()).select_from(single)) or 0)


def _over(now: datetime) -> tuple[ColumnElement[bool], ...]:
    has_any = exists().where(Delivery.letter == "digest", Delivery.about == Digest.id)
    return Digest.state.in_(_ENDED), Digest.outcomes.is_not(None), Digest.finished_at <= now - KEPT, has_any


def _single_over(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return SINGLE, Delivery.created_at <= now - KEPT, Delivery.state.not_in(_OPEN)  # type: ignore[return-value]
