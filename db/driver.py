"""Statements on the raw driver, past SQLAlchemy, for what happens with every vote or every few letters."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from db.engine import as_sqlalchemy_errors, engine, writes_on_sqlite
from db.session import Session, read_only


class DriverConnection:
    """Runs statements on the raw driver, because SQLAlchemy would cost more than they do. Placeholders are `?`.

    On PostgreSQL every statement autocommits (a separate BEGIN and COMMIT cost 500 µs more); on SQLite writes go in
    `transaction()`, which takes the write lock at once and survives a power cut.
    """

    def __init__(self, connection: Connection) -> None:
        self.sqlite = connection.dialect.name == "sqlite"
        self._raw: Any = connection.connection.dbapi_connection

    def fetch(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows that a statement returns."""
        rows: list[tuple[Any, ...]] = self._raw.execute(self._placeholders(sql), values).fetchall()
        return rows

    def execute(self, sql: str, values: Sequence[Any]) -> int:
        """The number of rows that a statement changed."""
        return int(self._raw.execute(self._placeholders(sql), values).rowcount)

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


@contextmanager
def driver_connection(*, durable: bool = True) -> Iterator[DriverConnection]:
    """A driver connection for the length of a slice; `durable` as in `writing`."""
    bound = engine()
    with as_sqlalchemy_errors(bound.dialect.loaded_dbapi.Error), bound.connect() as connection:
        if bound.dialect.name == "sqlite":
            writes_on_sqlite(connection, durable=durable)
        else:
            connection.execution_options(isolation_level="AUTOCOMMIT")
        yield DriverConnection(connection)


@contextmanager
def driver_reading() -> Iterator[DriverConnection]:
    """A driver connection in a transaction that the database keeps read-only, as `reading` gives it, without the
    session, which would cost more than a page's questions."""
    bound = read_only(engine())
    with as_sqlalchemy_errors(bound.dialect.loaded_dbapi.Error), bound.connect() as connection:
        connection.begin()
        yield DriverConnection(connection)


@contextmanager
def driver_connection_of(session: Session) -> Iterator[DriverConnection]:
    """A driver connection inside the session's transaction; it does not see unflushed changes."""
    with as_sqlalchemy_errors(engine().dialect.loaded_dbapi.Error):
        yield DriverConnection(session.connection())


def moment_of(kept: str | datetime | None) -> datetime | None:
    """A moment from the driver's value, in UTC."""
    if isinstance(kept, str):
        return datetime.fromisoformat(kept + "+00:00")
    return kept.astimezone(UTC) if kept else None
