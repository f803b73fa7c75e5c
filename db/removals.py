"""How many rows of which kind were removed on which day, since their time was over (db.rules.RETENTION)."""

from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Date, bindparam, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.register import Plain
from db.session import Row


class Removal(Row):
    """What was removed of one kind on one UTC day."""

    __tablename__ = "removals"

    kind: Mapped[Plain] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    removed: Mapped[int]


class Removed(NamedTuple):
    """What was removed of one kind: on the last day on which anything was, and in all."""

    day: date
    rows: int
    total: int


def count(session: Session, kind: str, rows: int, now: datetime) -> None:
    """Add rows that this transaction removes."""
    if rows:
        session.execute(_COUNT, {"kind": kind, "day": now.date(), "rows": rows})


_COUNT = text(
    "INSERT INTO removals (kind, day, removed) VALUES (:kind, :day, :rows)"
    " ON CONFLICT (kind, day) DO UPDATE SET removed = removals.removed + excluded.removed"
).bindparams(bindparam("day", type_=Date()))


def by_kind(session: Session) -> dict[str, Removed]:
    """What was removed so far, by kind."""
    days = select(Removal.kind, func.max(Removal.day), func.sum(Removal.removed)).group_by(Removal.kind)
    found = {}
    for kind, day, total in session.execute(days):
        row = session.get_one(Removal, (kind, day))
        found[kind] = Removed(day, row.removed, int(total))
    return found
