"""The one reminder of a sign-up that nobody has confirmed after some days."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, bindparam, func, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from db import rules
from db.deliveries import deliveries
from db.guard import Guard
from db.persons import person_in, person_of
from db.session import Moment
from db.subscribers.subscribers import Consent, Subscriber

_NOT_REMINDED = text(
    f"NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.person = {person_in('subscribers.id')}"
    " AND d.letter = 'reminder' AND d.created_at > :since)"
).bindparams(bindparam("since", type_=Moment()))


def owe(session: Session, now: datetime, limit: int) -> int:
    """Queue the reminder of the next sign-ups that have waited for long enough, at most `limit`. Returns how many.

    The rows are locked and then read again, so that of any number of workers one reminds each, once in the life of a
    sign-up, however often the form was sent since. In a copy that took over, sign-ups that were due before are left
    out: the database before may have reminded them.
    """
    due = _is_due(now, session.scalar(select(func.max(Guard.lifted_at, type_=Moment()))))
    query = select(Subscriber.id).where(due).order_by(Subscriber.id).limit(limit)
    locked = list(session.scalars(query.with_for_update(skip_locked=True)))
    still = select(Subscriber.id, _last(Consent.id)).where(Subscriber.id.in_(locked), due)
    found = session.execute(still).all()
    for number, sign_up in found:
        deliveries.owe(session, "reminder", sign_up, person_of(number), now)
    return len(found)


def _is_due(now: datetime, took_over: datetime | None) -> ColumnElement[bool]:
    """The condition for a pending subscriber whose last sign-up has waited, and who was not reminded in its life.

    Who signed up before there was a reminder was promised that no email follows.
    """
    asked_at = func.coalesce(_last(Consent.at), now, type_=Moment())
    reminded = _NOT_REMINDED.bindparams(since=now - rules.SIGN_UP_LIFE)
    told = func.coalesce(_last(Consent.words_version), "").not_in(rules.WORDS_WITHOUT_REMINDER)
    due = and_(Subscriber.state == "pending", asked_at <= now - rules.REMINDER_AFTER, told, reminded)
    return and_(due, asked_at > took_over - rules.REMINDER_AFTER) if took_over else due


def _last(column: InstrumentedAttribute[Any]) -> ScalarSelect[Any]:
    asked = select(func.max(column)).where(Consent.subscriber_id == Subscriber.id, Consent.what == "asked")
    return asked.scalar_subquery()
