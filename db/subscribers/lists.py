"""Lists of subscribers for operators: by state, in pages, with counts that stay cheap for a million."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from db.persons import person_of
from db.subscribers.subscribers import STATES, Subscriber
from db.subscribers.suppressions import Suppression
from db.votes.votes import Vote

LISTS = (*STATES, "paused", "suppressed")
"""The lists: the four stored states, and two that are computed."""
_PAUSED = text("paused_until is not null")


def counts(session: Session, now: datetime) -> dict[str, int]:
    """The number of people on each list; every count comes from an index."""
    found = dict(session.execute(select(Subscriber.state, func.count()).group_by(Subscriber.state)).all())
    paused = select(func.count()).select_from(Subscriber).where(_PAUSED, Subscriber.paused_until > now)
    whose = select(func.count(Suppression.subscriber_id.distinct()))
    return {state: found.get(state, 0) for state in STATES} | {
        "paused": session.scalar(paused) or 0,
        "suppressed": session.scalar(whose) or 0,
    }


def page(
    session: Session, listed: str | None, now: datetime, *, before: int | None = None, limit: int = 50
) -> list[Subscriber]:
    """A page of one of LISTS (None: of everybody), newest first; `before` is the keyset cursor."""
    query = select(Subscriber)
    if listed == "suppressed":
        return _suppressed(session, before, limit)
    if listed == "paused":
        query = query.where(_PAUSED, Subscriber.paused_until > now)
        return _newest(
            session, query, before, limit, Subscriber.id + 0
        )  # + 0 keeps the planner from scanning everybody by id
    if listed is not None:
        query = query.where(Subscriber.state == listed)
    return _newest(session, query, before, limit)


def _newest(
    session: Session, asked: Select[Subscriber], before: int | None, limit: int, number: Any = Subscriber.id
) -> list[Subscriber]:
    if before is not None:
        asked = asked.where(number < before)
    return list(session.scalars(asked.order_by(number.desc()).limit(limit)))


def _suppressed(session: Session, before: int | None, limit: int) -> list[Subscriber]:
    whose = select(Suppression.subscriber_id).where(Suppression.subscriber_id.is_not(None)).distinct()
    if before is not None:
        whose = whose.where(Suppression.subscriber_id < before)
    ids = session.scalars(whose.order_by(Suppression.subscriber_id.desc()).limit(limit)).all()
    return _newest(session, select(Subscriber).where(Subscriber.id.in_(ids)), None, limit)


def which_suppressed(session: Session, ids: list[int]) -> dict[int, str]:
    """The suppression reasons of those subscribers that have a suppression linked to them."""
    query = select(Suppression.subscriber_id, Suppression.reason).where(Suppression.subscriber_id.in_(ids))
    return {whose: reason for whose, reason in session.execute(query) if whose is not None}


def votes_of(session: Session, subscriber_id: int) -> list[Vote]:
    """A subscriber's current votes, latest first."""
    query = select(Vote).where(Vote.voter == person_of(subscriber_id), Vote.choice.is_not(None))
    return list(session.scalars(query.order_by(Vote.cast_at.desc(), Vote.id.desc())))
