"""Copies all rows from one place to another, and proves that they arrived."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Table, text

from db import moments
from db.copies.databases import Place, Sqlite, numbered, place, tables
from db.copies.files import Contents, TableSum
from db.copies.values import Checksum, Value, Values
from db.deliveries.deliveries import Delivery
from db.engine import as_sqlalchemy_errors, engine
from db.guard import Guard
from db.jobs.jobs import Job
from db.rules import Refused
from db.session import Session, is_sqlite, reading

Tell = Callable[[int], object]
"""Gets the number of further rows that were copied."""

MAY_HOLD_ROWS = ("signing_keys",)
"""A process that has only looked at a new database has written its key there; the copy's keys take its place."""


class Differs(Refused):
    """The copy's rows are not those that were read: nothing of it is kept."""


@contextmanager
def snapshot() -> Iterator[Place]:
    """The database at one instant. Whoever writes meanwhile waits for nothing."""
    with reading(snapshot=True) as session:
        if not is_sqlite(session):
            session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '10min'"))
        with _as_errors_of(engine()):
            yield place(session.connection())


@contextmanager
def _as_errors_of(bound: Engine) -> Iterator[None]:
    with as_sqlalchemy_errors(bound.dialect.loaded_dbapi.Error):
        yield


def count(source: Place) -> int:
    """How many rows a copy has to read."""
    return sum(source.count(table) for table in tables())


# ---- from here ---------------------------------------------------------------------------------------------


def write(source: Place, target: Place, how: str, tell: Tell) -> Contents:
    """Write every row of a snapshot, and the guard that stands in the copy. Returns what was written."""
    now = moments.now()
    last = {table.name: source.last_id(table) for table in tables() if numbered(table)}
    sums = {}
    for table in tables():
        found, own = Checksum(), _guard(last, how, now) if table.name == Guard.__tablename__ else []
        for page in (*_read(source, table), own) if own else _read(source, table):
            _put(target, table, page)
            found.add(page)
            tell(len(page))
        sums[table.name] = TableSum(found.rows, found.hex, last.get(table.name, 0) + len(own))
    return Contents(now, sums=sums)


def _guard(last: Mapping[str, int], how: str, now: datetime) -> list[Values]:
    at = now.replace(tzinfo=None).isoformat(" ", "microseconds")
    given: dict[str, Value] = {
        "id": last[Guard.__tablename__] + 1, "how": how, "copied_at": at, "lifted_at": None,
        "last_delivery": last[Delivery.__tablename__], "last_job": last[Job.__tablename__],
    }  # fmt: skip
    return [tuple(given[column.name] for column in Guard.__table__.columns)]


# ---- into a database -----------------------------------------------------------------------------------------


def refuse_filled(target: Place) -> None:
    """Raise Refused unless the database is empty."""
    filled = [table.name for table in tables() if table.name not in MAY_HOLD_ROWS and target.count(table)]
    if filled:
        named = ", ".join(filled[:5]) + (f" and {len(filled) - 5} more tables" if len(filled) > 5 else "")
        raise Refused(
            f"The database is not empty (rows stand in {named}), and nothing was changed. Point DATABASE_URL, or --to, "
            "at a new database."
        )


def refuse_filled_in(session: Session) -> None:
    """The same of the session's database."""
    refuse_filled(place(session.connection()))


def empty_place(session: Session) -> Place:
    """The session's database, which is empty, and from which nobody's key is kept."""
    target = place(session.connection())
    refuse_filled(target)
    for name in MAY_HOLD_ROWS:
        session.execute(text(f"DELETE FROM {name}"))
    return target


def fill(source: Sqlite, contents: Contents, session: Session, tell: Tell) -> None:
    """Write a back-up's rows into an empty database, in the session's transaction. Raises Refused or Differs."""
    target = empty_place(session)
    with _as_errors_of(engine()):
        for table in tables():
            found = Checksum()
            for page in _read(source, table):
                found.add(page)
                _put(target, table, page)
                tell(len(page))
            _compare(table, contents.sums[table.name], found, "The back-up is damaged")
        prove(target, contents)
        number_on(target, contents)


def prove(target: Place, contents: Contents) -> None:
    """Compare what stands in the new database with what was read. Raises Differs."""
    for table in tables():
        wanted, found = contents.sums[table.name], Checksum()
        for page in target.read(table):
            found.add(page)
        _compare(table, wanted, found, "The copy differs")


def number_on(target: Place, contents: Contents) -> None:
    """Let the database give no id again that the old one has given, also to rows that are deleted since."""
    for table in tables():
        if numbered(table):
            target.set_last_id(table, contents.sums[table.name].last_id)


def _read(source: Place, table: Table) -> Iterator[list[Values]]:
    try:
        yield from source.read(table)
    except (ValueError, TypeError) as error:
        raise Refused(f"A row of {table.name} is damaged ({error}). Nothing was kept.") from error


def _put(target: Place, table: Table, page: list[Values]) -> None:
    try:
        target.write(table, page)
    except Exception as error:
        if not isinstance(error, (ValueError, *_unfit())):
            raise
        raise Refused(f"A row of {table.name} cannot be stored there: {error}. Nothing was kept.") from error


def _unfit() -> tuple[type[Exception], ...]:
    """The driver's errors for values that the database does not take, such as a NUL on PostgreSQL."""
    driver: Any = engine().dialect.loaded_dbapi
    return driver.DataError, driver.IntegrityError


def _compare(table: Table, wanted: TableSum, found: Checksum, what: str) -> None:
    if (found.rows, found.hex) != (wanted.rows, wanted.checksum):
        raise Differs(
            f"{what}: {table.name} has {found.rows:,} rows with the checksum {found.hex[:12]}, not {wanted.rows:,} "
            f"with {wanted.checksum[:12]}. Nothing was kept."
        )
