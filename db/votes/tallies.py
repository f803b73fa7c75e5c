"""Tallies: folding votes into them, and checking them against the votes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ForeignKey, Index, case, func, null, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.driver import DriverConnection
from db.persons import SUBSCRIBERS
from db.rules import Choice, share
from db.session import BigId, Row, is_sqlite
from db.votes import figure_changes
from db.votes.votes import DIRTY, Kind, Vote, kind_of

_ONE_FOLDER = text("SELECT pg_advisory_xact_lock(7205262)")
FOLD_SIZE = 500
"""Votes folded in one transaction: short enough that a voter never waits for it."""


class Tally(Row):
    """The counted ship and skip votes on one tool, by kind of voter."""

    __tablename__ = "tallies"

    tool_id: Mapped[int] = mapped_column(BigId, ForeignKey("tools.id"), primary_key=True)
    kind: Mapped[Kind] = mapped_column(primary_key=True)
    ship: Mapped[int] = mapped_column(default=0)
    skip: Mapped[int] = mapped_column(default=0)


class Day(Row):
    """A tally's change on one UTC day; a tool's days add up to its tally."""

    __tablename__ = "tally_days"
    __table_args__ = (Index("ix_tally_days_day", "day"),)

    tool_id: Mapped[int] = mapped_column(BigId, ForeignKey("tools.id"), primary_key=True)
    kind: Mapped[Kind] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    ship: Mapped[int] = mapped_column(default=0)
    skip: Mapped[int] = mapped_column(default=0)


@dataclass(frozen=True, slots=True)
class Figures:
    """A tool's community figures for one reader: they include the reader's own vote at once."""

    ship: int = 0
    skip: int = 0
    own: Choice | None = None


_DUE = case((Vote.flag.is_not(None), null()), else_=Vote.choice)
"""What a row is due to add to the tallies: nothing if flagged or withdrawn, else its choice."""

# ---- changes -----------------------------------------------------------------------------------------------


def fold(session: Session, now: datetime, tool_ids: Iterable[int] | None = None) -> int:
    """Fold up to 500 dirty votes. Returns how many. Any number of processes may call it; a lock runs one at a time.

    1. Read dirty rows. 2. Sum up what is due minus what is counted already, for each tool and kind of voter. 3. Add the
    sums to the tallies and to today's row. 4. Set counted = due and dirty = false. 5. Mark the tools whose figures
    changed, so that webhooks are told. On PostgreSQL an advisory lock
    serializes folds: a freeze folds repeatedly in one transaction, and would otherwise deadlock with a fold that waits
    for its tallies.
    """
    if not is_sqlite(session):
        session.execute(_ONE_FOLDER)
    query = select(Vote.id, Vote.voter, Vote.tool_id, Vote.choice, Vote.flag, Vote.counted).where(DIRTY)
    if tool_ids is not None:
        query = query.where(Vote.tool_id.in_(list(tool_ids)))
    query = query.order_by(Vote.id).limit(FOLD_SIZE)
    if not is_sqlite(session):
        query = query.with_for_update()
    rows = session.execute(query).all()
    changes: dict[tuple[int, Kind], Counter[str]] = defaultdict(Counter)
    for row in rows:
        due = None if row.flag else row.choice
        change = changes[row.tool_id, kind_of(row.voter)]
        if row.counted:
            change[row.counted] -= 1
        if due:
            change[due] += 1
    for (tool_id, kind), change in sorted(changes.items()):
        _add(session, tool_id, kind, now, change["ship"], change["skip"])
    if rows:
        ids = [row.id for row in rows]
        session.execute(update(Vote).where(Vote.id.in_(ids)).values(counted=_DUE, dirty=False),
                        execution_options={"synchronize_session": False})  # fmt: skip
    figure_changes.mark(session, _changed_tools(changes), now)
    return len(rows)


def _changed_tools(changes: Mapping[tuple[int, Kind], Counter[str]]) -> set[int]:
    """The tools whose figures differ afterwards: votes that pass from one kind of voter to the other change none."""
    sums: dict[int, Counter[str]] = defaultdict(Counter)
    for (tool_id, _), change in changes.items():
        sums[tool_id].update(change)
    return {tool_id for tool_id, change in sums.items() if any(change.values())}


def _add(session: Session, tool_id: int, kind: Kind, now: datetime, ship: int, skip: int) -> None:
    if ship or skip:
        key = {"tool_id": tool_id, "kind": kind}
        _add_to(session, Tally, key, ship, skip)
        _add_to(session, Day, {**key, "day": now.date()}, ship, skip)


def _add_to(session: Session, table: type[Tally] | type[Day], key: dict[str, Any], ship: int, skip: int) -> None:
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    new = insert(table).values(**key, ship=ship, skip=skip)
    more = {"ship": table.ship + new.excluded.ship, "skip": table.skip + new.excluded.skip}
    session.execute(new.on_conflict_do_update(index_elements=list(key), set_=more))


# ---- queries -----------------------------------------------------------------------------------------------


def figures(session: Session, tool_ids: Iterable[int], voter: str | None = None) -> dict[int, Figures]:
    """Community figures of each tool. The voter's current choice is included at once, folded or not."""
    ids = list(tool_ids)
    sums = select(Tally.tool_id, func.sum(Tally.ship), func.sum(Tally.skip))
    found = {
        tool_id: Figures(int(ship), int(skip))
        for tool_id, ship, skip in session.execute(sums.where(Tally.tool_id.in_(ids)).group_by(Tally.tool_id))
    }
    found = {tool_id: found.get(tool_id, Figures()) for tool_id in ids}
    if voter is None:
        return found
    own = select(Vote.tool_id, Vote.choice, Vote.counted).where(Vote.voter == voter, Vote.tool_id.in_(ids))
    for tool_id, choice, counted in session.execute(own):
        found[tool_id] = _with_own(found[tool_id], choice, counted)
    return found


def shown(
    driver: DriverConnection, tool_ids: Iterable[int], today: date, weeks: int = 12
) -> tuple[dict[int, Figures], dict[int, list[int | None]]]:
    """What pages show of these tools: their community figures, and community ship at the ends of the last weeks, as
    `trend` says; both by one statement past SQLAlchemy (decision 12). Without weeks, figures alone."""
    ids = list(tool_ids)
    if not ids:
        return {}, {}
    marks, ends = ", ".join("?" * len(ids)), [today - timedelta(weeks=back) for back in range(weeks - 1, -1, -1)]
    if not weeks:
        rows = driver.fetch(_SUMS.format(marks), ids)
    else:
        first = ends[0].isoformat() if driver.sqlite else ends[0]
        rows = driver.fetch(_SUMS_AND_DAYS.format(marks), (*ids, first, first, *ids))
    figures = {tool_id: Figures() for tool_id in ids}
    days: dict[int, list[tuple[str, int, int]]] = {tool_id: [] for tool_id in ids}
    for tool_id, day, ship, skip in rows:
        if day is None:
            figures[tool_id] = Figures(int(ship), int(skip))
        else:
            days[tool_id].append((str(day), int(ship), int(skip)))
    return figures, {tool_id: _at_ends(sorted(days[tool_id]), ends) for tool_id in ids}


_SUMS = "SELECT tool_id, NULL, sum(ship), sum(skip) FROM tallies WHERE tool_id IN ({0}) GROUP BY tool_id"
_SUMS_AND_DAYS = """
    SELECT tool_id, CAST(NULL AS DATE) AS day, sum(ship), sum(skip) FROM tallies WHERE tool_id IN ({0}) GROUP BY tool_id
    UNION ALL
    SELECT tool_id, day, sum(ship), sum(skip) FROM (
        SELECT tool_id, CASE WHEN day < ? THEN ? ELSE day END AS day, ship, skip FROM tally_days WHERE tool_id IN ({0})
    ) AS days GROUP BY tool_id, day
"""
"""All days before the first week's end are one."""


def _at_ends(days: list[tuple[str, int, int]], ends: list[date]) -> list[int | None]:
    points: list[int | None] = []
    ship = skip = at = 0
    for end in map(date.isoformat, ends):
        while at < len(days) and days[at][0] <= end:
            ship, skip, at = ship + days[at][1], skip + days[at][2], at + 1
        points.append(share(ship, skip))
    return points


def own_figures(driver: DriverConnection, tool_ids: Iterable[int], voter: str) -> dict[int, Figures]:
    """The figures of those of these tools on which the voter has a vote, or withdrew one that is still counted.

    One statement, so that a fold at the same moment neither drops their vote nor counts it twice.
    """
    ids = sorted(tool_ids)
    rows = driver.fetch(_OWN.format(", ".join("?" * len(ids))), (voter, *ids))
    return {
        tool_id: _with_own(Figures(int(ship or 0), int(skip or 0)), choice, counted)
        for tool_id, choice, counted, ship, skip in rows
    }


_OWN = """
    SELECT tool_id, choice, counted,
        (SELECT sum(ship) FROM tallies WHERE tallies.tool_id = votes.tool_id),
        (SELECT sum(skip) FROM tallies WHERE tallies.tool_id = votes.tool_id)
    FROM votes WHERE voter = ? AND tool_id IN ({0}) AND (choice IS NOT NULL OR counted IS NOT NULL)
"""


def _with_own(seen: Figures, choice: Choice | None, counted: Choice | None) -> Figures:
    """The figures with this vote as it stands now, in place of what is counted of it."""
    ship = seen.ship + (choice == "ship") - (counted == "ship")
    skip = seen.skip + (choice == "skip") - (counted == "skip")
    return Figures(ship, skip, choice)


def figures_at_start_of(session: Session, day: date, tool_ids: Iterable[int] | None = None) -> dict[int, Figures]:
    """Community figures at the start of that UTC day."""
    query = select(Day.tool_id, func.sum(Day.ship), func.sum(Day.skip)).where(Day.day < day).group_by(Day.tool_id)
    if tool_ids is not None:
        query = query.where(Day.tool_id.in_(list(tool_ids)))
    return {tool_id: Figures(int(ship), int(skip)) for tool_id, ship, skip in session.execute(query)}


def trend(session: Session, tool_id: int, today: date, weeks: int = 12) -> list[tuple[date, int | None]]:
    """Community ship in whole percent, weekly, at the end of the days 0, 7, 14 … days before `today`; oldest first."""
    query = select(Day.day, func.sum(Day.ship), func.sum(Day.skip)).where(Day.tool_id == tool_id)
    days = [(day, int(ship), int(skip)) for day, ship, skip in session.execute(query.group_by(Day.day))]
    points = []
    for back in range(weeks - 1, -1, -1):
        end = today - timedelta(weeks=back)
        until = [(ship, skip) for day, ship, skip in days if day <= end]
        points.append((end, share(sum(ship for ship, _ in until), sum(skip for _, skip in until))))
    return points


# ---- proof -------------------------------------------------------------------------------------------------

Sums = dict[tuple[int, str], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of `check`: how many votes wait to be folded, and every mismatch in words."""

    dirty: int
    faults: tuple[str, ...]


def check(session: Session) -> Proof:
    """Check the tallies against the votes; needs a snapshot transaction.

    The sums of `counted` equal the tallies; the days sum to the tallies; and when no vote is dirty, so do the
    sums of what is due.
    """
    waiting = session.scalar(select(func.count()).select_from(Vote).where(DIRTY)) or 0
    tallies = _sums(session, Tally)
    faults = _differences("counted votes", _counted(session, Vote.counted), tallies)
    faults += _differences("days", _sums(session, Day), tallies)
    if not waiting:
        faults += _differences("votes due", _counted(session, _DUE), tallies)
    return Proof(waiting, tuple(faults))


def rebuild(session: Session, now: datetime) -> int:
    """Set every tally to the sum of its votes' `counted`, and add the difference to today's row. Returns how many
    tallies were wrong."""
    counted, tallies, days = _counted(session, Vote.counted), _sums(session, Tally), _sums(session, Day)
    wrong = set()
    for key in sorted(counted.keys() | tallies.keys() | days.keys()):
        tool_id, kind = key
        due = counted.get(key, (0, 0))
        for table, stands, where in ((Tally, tallies, {}), (Day, days, {"day": now.date()})):
            ship, skip = (a - b for a, b in zip(due, stands.get(key, (0, 0)), strict=True))
            if ship or skip:
                wrong.add(key)
                _add_to(session, table, {"tool_id": tool_id, "kind": kind, **where}, ship, skip)
    return len(wrong)


def _counted(session: Session, column: Any) -> Sums:
    kind = case((Vote.voter.like(SUBSCRIBERS), "subscriber"), else_="anonymous")
    ship, skip = (func.sum(case((column == word, 1), else_=0)) for word in ("ship", "skip"))
    rows = session.execute(select(Vote.tool_id, kind, ship, skip).group_by(Vote.tool_id, kind))
    return {(tool_id, of): (int(a), int(b)) for tool_id, of, a, b in rows if a or b}


def _sums(session: Session, table: type[Tally] | type[Day]) -> Sums:
    query = select(table.tool_id, table.kind, func.sum(table.ship), func.sum(table.skip))
    rows = session.execute(query.group_by(table.tool_id, table.kind))
    return {(tool_id, kind): (int(a), int(b)) for tool_id, kind, a, b in rows if a or b}


def _differences(what: str, sums: Sums, tallies: Sums) -> list[str]:
    return [
        f"tool {key[0]}, {key[1]}: {what} say {sums.get(key, (0, 0))}, the tally says {tallies.get(key, (0, 0))}"
        for key in sorted(sums.keys() | tallies.keys())
        if sums.get(key, (0, 0)) != tallies.get(key, (0, 0))
    ]
