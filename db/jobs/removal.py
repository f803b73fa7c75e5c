"""Jobs that succeeded are removed with their attempts when their time is over."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from db import rules
from db.jobs.jobs import Attempt, Job

KEPT = rules.kept("jobs")


def remove(session: Session, now: datetime, limit: int) -> int:
    """Remove the next jobs whose time is over, at most `limit`. Returns how many."""
    query = select(Job.id).where(_is_over(now)).order_by(Job.finished_at).limit(limit)
    ids = list(session.scalars(query.with_for_update(skip_locked=True)))
    plain = {"synchronize_session": False}
    session.execute(delete(Attempt).where(Attempt.job_id.in_(ids)), execution_options=plain)
    session.execute(delete(Job).where(Job.id.in_(ids)), execution_options=plain)
    return len(ids)


def count(session: Session, now: datetime, most: int) -> int:
    """How many jobs wait to be removed; counting stops at `most`."""
    found = select(Job.id).where(_is_over(now)).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0


def _is_over(now: datetime) -> ColumnElement[bool]:
    """The condition for a job that nothing needs: one that caused others, or that a copy replaces, stays for them."""
    other = aliased(Job)
    needed = exists().where(or_(other.cause == Job.id, and_(other.replaces.is_not(None), other.replaces == Job.id)))
    # `|| ''` keeps SQLite from reading all jobs that succeeded: the oldest by their end come from an index.
    return and_(Job.state + "" == "succeeded", Job.finished_at <= now - KEPT, ~needed)
