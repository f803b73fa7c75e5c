"""A digest's audience: freezes are numbered, and each subscriber stores between which freezes they joined and left."""

from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from db.session import is_sqlite
from db.subscribers.subscribers import Freeze, active


def count_audience(session: Session, now: datetime) -> Freeze:
    """Count the audience: everybody who is active now. The freeze's number identifies this audience from then on.

    On PostgreSQL a table lock makes sign-ups and unsubscribes wait for the commit; SQLite has one writer anyway.
    """
    if not is_sqlite(session):
        session.execute(text("LOCK TABLE subscribers IN SHARE MODE"))
    taken = Freeze(at=now, audience=active(session))
    session.add(taken)
    session.flush()
    return taken


def last_freeze(session: Session) -> int:
    """The number of the last freeze; a lock keeps another freeze out until this transaction ends."""
    if not is_sqlite(session):
        session.execute(text("LOCK TABLE subscribers IN ROW EXCLUSIVE MODE"))
    return session.scalar(select(func.max(Freeze.number))) or 0


AUDIENCE = 'joined < :freeze AND ("left" IS NULL OR "left" >= :freeze)'
"""SQL for those who were active at the freeze of that number."""
