"""Each reader's vote on each tool: casting, changing, withdrawing, and merging a browser's votes into a subscriber's.

A vote's row holds the reader's `choice` and `counted`, the part of the tallies that comes from this row. Folding
(tallies.py) applies the difference in one transaction, so it is idempotent: nothing is counted twice.
"""

import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

from sqlalchemy import CheckConstraint, ForeignKey, Index, bindparam, func, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import persons
from db.driver import DriverConnection
from db.register import Plain, Token
from db.rules import Choice
from db.session import NEVER_REUSED, BigId, Key, Moment, Row, is_sqlite, notify, ring

Kind = Literal["anonymous", "subscriber"]
DIRTY = text("dirty")
"""Literal SQL: SQLite uses a partial index only if the query's condition has the same text as the index's."""


class Vote(Row):
    """One voter's vote on one tool: unique by constraint, changed or withdrawn in place."""

    __tablename__ = "votes"
    __table_args__ = (
        Index("uq_votes_voter_tool_id", "voter", "tool_id", unique=True),
        Index("ix_votes_dirty", "id", sqlite_where=DIRTY, postgresql_where=DIRTY),
        Index("ix_votes_tool_id", "tool_id"),
        CheckConstraint("choice in ('ship', 'skip') and counted in ('ship', 'skip')", name="words"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    voter: Mapped[Token]
    tool_id: Mapped[int] = mapped_column(BigId, ForeignKey("tools.id"))
    choice: Mapped[Choice | None]
    flag: Mapped[Plain | None]
    counted: Mapped[Choice | None]
    dirty: Mapped[bool]
    cast_at: Mapped[datetime]


def new_voter() -> str:
    """A new voter key for a browser without one: 128 random bits."""
    return "anonymous:" + secrets.token_urlsafe(16)


def kind_of(voter: str) -> Kind:
    return "anonymous" if persons.subscriber_id(voter) is None else "subscriber"


# ---- changes -----------------------------------------------------------------------------------------------


def cast(session: Session, voter: str, tool_id: int, choice: Choice, now: datetime) -> None:
    """Cast or change a vote in one upsert; the last one counts."""
    session.execute(_CAST_BY_ID, {"voter": voter, "tool": tool_id, "choice": choice, "now": now})
    ring(session, "votes")


def cast_at_once(driver: DriverConnection, voter: str, slug: str, choice: Choice, now: datetime) -> bool:
    """Cast or change a vote on a tool by slug, in a transaction of its own. False if there is no such tool.

    A single statement that returns no rows: SQLite commits it before the driver waits for the interpreter, and would
    else hold its write lock until somebody had fetched them.
    """
    with _in_turn(driver):
        cast = driver.execute(_CAST_BY_SLUG, (voter, choice, driver.at(now), slug)) > 0
    notify("votes")
    return cast


@contextmanager
def _in_turn(driver: DriverConnection) -> Iterator[None]:
    """One thread of this process at a time on SQLite, which lets those that find its lock taken sleep and look again:
    threads of one process would spend more time on that than on votes."""
    taken = driver.sqlite and _turn.acquire(timeout=_LONGEST_TURN)
    try:
        yield
    finally:
        if taken:
            _turn.release()


_turn = threading.Lock()
_LONGEST_TURN = 0.3
"""Seconds after which a thread does not wait for the one before it any longer, but for the database's lock itself."""
_CAST = """
    INSERT INTO votes (voter, tool_id, choice, dirty, cast_at)
    SELECT :voter, id, :choice, true, :now FROM tools WHERE {column} = :tool
    ON CONFLICT (voter, tool_id) DO UPDATE SET choice = excluded.choice, dirty = true, cast_at = excluded.cast_at
"""
_CAST_BY_ID = text(_CAST.format(column="id")).bindparams(bindparam("now", type_=Moment()))
_CAST_BY_SLUG = re.sub(r":\w+", "?", _CAST.format(column="slug"))
"""The same statement for the raw driver, with `?` placeholders and positional parameters."""


def withdraw(session: Session, voter: str, tool_id: int, now: datetime) -> None:
    """Withdraw a vote; does nothing if there is none."""
    session.execute(
        update(Vote)
        .where(Vote.voter == voter, Vote.tool_id == tool_id, Vote.choice.is_not(None))
        .values(choice=None, dirty=True, cast_at=now)
    )
    ring(session, "votes")


def withdraw_all(session: Session, voter: str, now: datetime) -> None:
    """Withdraw every vote of one voter."""
    session.execute(
        update(Vote).where(Vote.voter == voter, Vote.choice.is_not(None)).values(choice=None, dirty=True, cast_at=now)
    )
    ring(session, "votes")


def merge(session: Session, anonymous: str, subscriber_id: int) -> int:
    """Merge an anonymous voter's votes into a subscriber's; of two, the later wins. Returns the number of votes merged.

    The anonymous rows are withdrawn, not re-keyed: the tallies count each row under its own voter.
    """
    if kind_of(anonymous) != "anonymous":
        return 0
    voter = persons.person_of(subscriber_id)
    # Locked in the same order as folding locks them, which avoids deadlocks; and held, so that a newer vote that is
    # being cast is not overwritten by the older one merged here.
    both = select(Vote).where(Vote.voter.in_((anonymous, voter))).order_by(Vote.id)
    found = list(session.scalars(both if is_sqlite(session) else both.with_for_update()))
    rows = [row for row in found if row.voter == anonymous and row.choice]
    standing = {row.tool_id: row for row in found if row.voter == voter}
    for row in rows:
        other = standing.get(row.tool_id)
        if (other is None or other.cast_at <= row.cast_at) and row.choice:
            cast(session, voter, row.tool_id, row.choice, row.cast_at)
        row.choice, row.dirty = None, True
    if rows:
        ring(session, "votes")
    return len(rows)


# ---- queries -----------------------------------------------------------------------------------------------


def dirty(session: Session) -> int:
    """The number of votes that wait to be folded."""
    return session.scalar(select(func.count()).select_from(Vote).where(DIRTY)) or 0


def any_dirty(session: Session) -> bool:
    """Whether a vote waits to be folded."""
    return session.scalar(select(Vote.id).where(DIRTY).limit(1)) is not None
