"""Sign-ups that nobody confirmed: after SIGN_UP_LIFE they are over, and the address is forgotten.

Whoever was a subscriber before keeps their row and is what they were, unsubscribed; only the sign-up goes.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.orm import Session, aliased

from db import rules
from db.session import Moment
from db.subscribers.subscribers import Consent, Subscriber
from db.subscribers.suppressions import Suppression


def over(session: Session, now: datetime, limit: int) -> list[int]:
    """The next subscribers whose last sign-up is over without a confirmation."""
    return list(session.scalars(select(Subscriber.id).where(_is_over(now)).order_by(Subscriber.id).limit(limit)))


class Forgotten(NamedTuple):
    """Somebody whose sign-up is over: their number, and their address if nothing else is known of them."""

    number: int
    address: str | None


def forget(session: Session, now: datetime, limit: int) -> list[Forgotten]:
    """Forget the next sign-ups that are over, at most `limit`. Returns whose they were.

    The rows are locked and then read again, so somebody who confirms or signs up anew at the last moment is no longer
    among them; those that another transaction has locked are left for the next time.
    """
    query = select(Subscriber.id).where(_is_over(now)).order_by(Subscriber.id).limit(limit)
    locked = list(session.scalars(query.with_for_update(skip_locked=True)))
    found = list(session.scalars(select(Subscriber.id).where(Subscriber.id.in_(locked), _is_over(now))))
    spoke = select(Consent.subscriber_id).where(Consent.subscriber_id.in_(found), Consent.what != "asked")
    before = set(session.scalars(spoke))
    _take_back(session, list(before))
    gone = [each for each in found if each not in before]
    addresses = dict(session.execute(select(Subscriber.id, Subscriber.address).where(Subscriber.id.in_(gone))).all())
    _delete(session, gone)
    return [Forgotten(each, addresses.get(each)) for each in found]


def _take_back(session: Session, ids: list[int]) -> None:
    """Make somebody who once left unsubscribed again, without the sign-ups since then."""
    session.execute(update(Subscriber).where(Subscriber.id.in_(ids)).values(state="unsubscribed"))
    earlier = aliased(Consent)
    spoke = select(func.max(earlier.id)).where(earlier.subscriber_id == Consent.subscriber_id, earlier.what != "asked")
    session.execute(
        delete(Consent)
        .where(Consent.subscriber_id.in_(ids), Consent.what == "asked", Consent.id > spoke.scalar_subquery())
        .execution_options(synchronize_session=False)
    )


def _delete(session: Session, ids: list[int]) -> None:
    """Delete somebody of whom nothing but a sign-up is known. A suppression stays, under its keyed hash."""
    whose = update(Suppression).where(Suppression.subscriber_id.in_(ids))
    session.execute(whose.values(subscriber_id=None, note=None))  # a note may name the person
    session.execute(delete(Consent).where(Consent.subscriber_id.in_(ids)))
    session.execute(delete(Subscriber).where(Subscriber.id.in_(ids)))


def _is_over(now: datetime) -> ColumnElement[bool]:
    """The condition for a pending subscriber without a sign-up that can still be confirmed."""
    last = select(func.max(Consent.at)).where(Consent.subscriber_id == Subscriber.id, Consent.what == "asked")
    asked_at = func.coalesce(last.scalar_subquery(), Subscriber.created_at, type_=Moment())
    return and_(Subscriber.state == "pending", asked_at <= now - rules.SIGN_UP_LIFE)
