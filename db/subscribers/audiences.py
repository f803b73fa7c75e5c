"""Who a digest is for: freezes are numbered, and each reader knows between which ones they came and left."""

from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from db.session import is_sqlite
from db.subscribers.subscribers import Freeze, active


def count_audience(session: Session, now: datetime) -> Freeze:
    """Count the audience: everybody who is active at this instant, named by the freeze's number ever after.

    PostgreSQL holds back those who come and go until this commits; on SQLite there is one writer in any case.
    """
    if not is_sqlite(session):
        session.execute(text("LOCK TABLE subscribers IN SHARE MODE"))
    taken = Freeze(at=now, audience=active(session))
    session.add(taken)
    session.flush()
    return taken


def last_freeze(session: Session) -> int:
    """The number of the last freeze, in a transaction that no freeze can overtake."""
    if not is_sqlite(session):
        session.execute(text("LOCK TABLE subscribers IN ROW EXCLUSIVE MODE"))
    return session.scalar(select(func.max(Freeze.number))) or 0


AUDIENCE = 'joined < :freeze AND ("left" IS NULL OR "left" >= :freeze)'
"""SQL for: was active at the freeze of that number."""
