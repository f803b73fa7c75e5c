"""Statements on the raw driver, past SQLAlchemy, for what happens with every vote or every few letters."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, PoolProxiedConnection

from db.engine import as_sqlalchemy_errors, engine, writes_on_sqlite
from db.session import Session, read_only


class DriverConnection:
    """Runs statements on the raw driver, because SQLAlchemy would cost more than they do. Placeholders are `?`.

    On PostgreSQL every statement autocommits (a separate BEGIN and COMMIT cost 500 µs more); on SQLite writes go in
    `transaction()`, which takes the write lock at once and survives a power cut.
    """

    def __init__(self, lent: PoolProxiedConnection, *, sqlite: bool) -> None:
        self.sqlite = sqlite
        self._raw: Any = lent.dbapi_connection
        self._cursor: Any = self._raw if sqlite else _cursor_of(lent)

    def fetch(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows that a statement returns."""
        rows: list[tuple[Any, ...]] = self._cursor.execute(self._placeholders(sql), values).fetchall()
        return rows

    def execute(self, sql: str, values: Sequence[Any]) -> int:
        """The number of rows that a statement changed."""
        return int(self._cursor.execute(self._placeholders(sql), values).rowcount)

    def _placeholders(self, sql: str) -> str:
        return sql if self.sqlite else sql.replace("?", "%s")

    def at(self, moment: datetime) -> str | datetime:
        """A moment as a parameter; on SQLite in the format that SQLAlchemy stores."""
        return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if self.sqlite else moment

    def executemany(self, sql: str, values: Sequence[Sequence[Any]]) -> int:
        """The number of rows changed by one statement with several sets of parameters (SQLite)."""
        return int(self._raw.executemany(sql, values).rowcount)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction around several statements."""
        self._raw.execute("BEGIN IMMEDIATE" if self.sqlite else "BEGIN")
        try:
            yield
            self._raw.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        """A full disk or a lost server may have ended the transaction already, and the first error is the one to tell.

        A COMMIT that found SQLite's file busy leaves it open, and the next BEGIN would fail.
        """
        with suppress(Exception):
            self._raw.execute("ROLLBACK")


def _cursor_of(lent: PoolProxiedConnection) -> Any:
    """The session's own cursor, made once: to make one costs psycopg half as much as to run a statement."""
    kept = lent.info.get(_CURSOR)
    if kept is None:
        kept = lent.info[_CURSOR] = lent.cursor()
    return kept


_CURSOR = "cursor"


@contextmanager
def driver_connection(*, durable: bool = True) -> Iterator[DriverConnection]:
    """A driver connection for the length of a slice; `durable` as in `writing`."""
    bound = engine()
    sqlite = bound.dialect.name == "sqlite"
    with as_sqlalchemy_errors(bound.dialect.loaded_dbapi.Error), closing(bound.raw_connection()) as lent:
        if sqlite:
            writes_on_sqlite(lent, durable=durable)
            yield DriverConnection(lent, sqlite=True)
        else:
            with _autocommit(lent):
                yield DriverConnection(lent, sqlite=False)


@contextmanager
def _autocommit(lent: PoolProxiedConnection) -> Iterator[None]:
    """SQLAlchemy's own way to do so costs as much as a statement."""
    session: Any = lent.dbapi_connection
    session.autocommit = True
    try:
        yield
    finally:
        try:
            session.rollback()  # does nothing, unless a transaction was left open
            session.autocommit = False
        except Exception:  # it is lost
            lent.invalidate()


@contextmanager
def driver_reading() -> Iterator[DriverConnection]:
    """A driver connection in a transaction that the database keeps read-only, as `reading` gives it, without the
    session, which would cost more than a page's questions."""
    bound = read_only(engine())
    with as_sqlalchemy_errors(bound.dialect.loaded_dbapi.Error), bound.connect() as connection:
        connection.begin()
        yield _within(connection)


@contextmanager
def driver_connection_of(session: Session) -> Iterator[DriverConnection]:
    """A driver connection inside the session's transaction; it does not see unflushed changes."""
    with as_sqlalchemy_errors(engine().dialect.loaded_dbapi.Error):
        yield _within(session.connection())


def _within(connection: Connection) -> DriverConnection:
    return DriverConnection(connection.connection, sqlite=connection.dialect.name == "sqlite")


def moment_of(kept: str | datetime | None) -> datetime | None:
    """A moment from the driver's value, in UTC."""
    if isinstance(kept, str):
        return datetime.fromisoformat(kept + "+00:00")
    return kept.astimezone(UTC) if kept else None
