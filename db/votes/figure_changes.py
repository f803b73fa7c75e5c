"""Tools whose figures changed and were not told since: what changes in one minute is told together, the last included.

The fold marks each tool in its own transaction. A mark is taken at once, or a minute after the last one was, and
whoever takes it tells the figures of that moment, so the last change of a burst is told too.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ForeignKey, Index, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.session import BigId, Row, is_sqlite

APART = timedelta(minutes=1)
"""The least time between two tellings of one tool's figures."""
_MARKED = text("changed_at is not null")


class FigureChange(Row):
    """Since when a tool's figures differ from what was told last, and when that was."""

    __tablename__ = "figure_changes"
    __table_args__ = (Index("ix_figure_changes_marked", "changed_at", sqlite_where=_MARKED, postgresql_where=_MARKED),)

    tool_id: Mapped[int] = mapped_column(BigId, ForeignKey("tools.id"), primary_key=True)
    changed_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]


def mark(session: Session, tool_ids: Iterable[int], now: datetime) -> None:
    """Mark tools whose figures have just changed; a mark that stands keeps its moment."""
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    for tool_id in sorted(tool_ids):
        new = insert(FigureChange).values(tool_id=tool_id, changed_at=now)
        unmarked = FigureChange.changed_at.is_(None)
        session.execute(new.on_conflict_do_update(index_elements=["tool_id"], set_={"changed_at": now}, where=unmarked))


def any_due(session: Session, now: datetime) -> bool:
    """Whether a change may be told now."""
    return session.scalar(select(FigureChange.tool_id).where(_MARKED, _rested(now)).limit(1)) is not None


def take(session: Session, now: datetime, limit: int = 500) -> list[int]:
    """Take the marks whose change may be told now: the tools, whose figures the caller tells in this transaction."""
    due = select(FigureChange.tool_id).where(_MARKED, _rested(now)).order_by(FigureChange.tool_id).limit(limit)
    if not is_sqlite(session):
        due = due.with_for_update(skip_locked=True)
    found = list(session.scalars(due))
    if found:
        taken = update(FigureChange).where(FigureChange.tool_id.in_(found)).values(changed_at=None, told_at=now)
        session.execute(taken, execution_options={"synchronize_session": False})
    return found


def _rested(now: datetime) -> ColumnElement[bool]:
    return or_(FigureChange.told_at.is_(None), FigureChange.told_at <= now - APART)
