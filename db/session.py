"""The engine, and the two kinds of transaction: reading and writing."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.orm import Session as Session
from sqlalchemy.types import TypeDecorator

from db import private_files, refusals
from db.settings import settings

BUSY_SECONDS = 15
"""SQLite's busy time-out: how long a writer waits for another one."""


class Moment(TypeDecorator[datetime]):
    """A time-zone-aware datetime, stored in UTC; on SQLite without its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment needs a zone, got {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BigId = BigInteger().with_variant(Integer, "sqlite")
Key = Annotated[int, mapped_column(BigId, primary_key=True)]
"""A primary key that is never given twice (AUTOINCREMENT on SQLite, IDENTITY-like on PostgreSQL)."""

NEVER_REUSED = {"sqlite_autoincrement": True}


class Row(DeclarativeBase):
    """The declarative base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Moment}


def engine() -> Engine:
    """The engine of the database that DATABASE_URL names."""
    url = settings().database_url
    if url not in _made:
        _made[url] = _make(url)
    return _made[url]


_made: dict[str, Engine] = {}


def _make(url: str) -> Engine:
    address = make_url(url)
    if address.get_backend_name() in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    # Each sender thread holds a driver connection for a slice, and needs another one for transactions.
    kept = 5 + 2 * settings().send_connections
    if address.get_backend_name() == "sqlite":
        file = _file_of(address)
        if file is not None:
            _keep_private(file)
        made = create_engine(address, pool_size=kept, connect_args={"timeout": BUSY_SECONDS})
        if file is not None:
            event.listen(made, "do_connect", lambda *_: private_files.make_file(file))
        event.listen(made, "connect", _open_sqlite)
        event.listen(made, "begin", _begin_sqlite)
    else:
        made = create_engine(address, pool_size=kept, pool_pre_ping=True)
        event.listen(made, "connect", _open_postgresql)
    event.listen(made, "checkout", _set_wait)
    refusals.keep_none_that_met_one(made)
    return made


def _file_of(address: URL) -> Path | None:
    return Path(address.database) if address.database and "uri" not in address.query else None


def missing_file() -> Path | None:
    """SQLite's file, if it does not exist: to connect would make an empty one, for instance in a wrong folder."""
    address = make_url(settings().database_url)
    file = _file_of(address) if address.get_backend_name() == "sqlite" else None
    try:
        if file is not None:
            file.stat()
    except FileNotFoundError:
        return file
    except OSError:
        pass  # whoever connects is told what is wrong
    return None


def _keep_private(database: Path) -> None:
    """SQLite gives the files beside a database the mode of the database's own."""
    private_files.make_folder(database.parent)
    private_files.mend(*(Path(f"{database}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")))


_longest_wait: ContextVar[float | None] = ContextVar("longest_wait", default=None)


def wait_at_most(seconds: float | None) -> None:
    """How long this thread's transactions wait for a lock that others hold; None for as long as a worker's do."""
    _longest_wait.set(seconds)


def _set_wait(connection: Any, record: Any, _proxy: Any) -> None:
    wanted = _longest_wait.get()
    if record.info.get("wait") == wanted:
        return
    record.info["wait"] = wanted
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA busy_timeout={_milliseconds(wanted)}")
        return
    connection.autocommit = True
    with _as_sqlalchemy_errors(Exception):
        connection.execute(f"SET lock_timeout = {0 if wanted is None else int(wanted * 1000)}")
    connection.autocommit = False


def _milliseconds(wanted: float | None) -> int:
    """SQLite's busy time-out."""
    return int(1000 * (BUSY_SECONDS if wanted is None else min(wanted, BUSY_SECONDS)))


def _open_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # autocommit: the driver's implicit BEGIN would be a deferred one
    with _as_sqlalchemy_errors(sqlite3.Error):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")
    if _is_read_only(connection):
        refusals.in_trouble(engine())


def _is_read_only(connection: sqlite3.Connection) -> bool:
    """Whether SQLite could open its files for reading only, which it tells nobody but the first statement that writes.

    BEGIN IMMEDIATE alone begins a transaction that reads. A connection that finds the write lock taken could write.
    """
    connection.execute("PRAGMA busy_timeout=0")
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("PRAGMA user_version=0")
    except sqlite3.Error as error:
        return refusals.spoils(error)
    finally:
        connection.rollback()
        connection.execute(f"PRAGMA busy_timeout={_milliseconds(None)}")
    return False


def _open_postgresql(connection: Any, _record: Any) -> None:
    # A transaction that a stopped process left open must not block the others for ever. This is a statement, since
    # PgBouncer refuses connections with the start-up parameter `options`.
    connection.autocommit = True
    with _as_sqlalchemy_errors(Exception):
        connection.execute("SET idle_in_transaction_session_timeout = '15s'")
        [read_only] = connection.execute(
            "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'"
        ).fetchone()
    connection.autocommit = False
    if read_only:
        refusals.in_trouble(engine())


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    raw: Any = connection.connection.dbapi_connection
    run = raw.execute  # the raw driver: SQLAlchemy's call would cost more than these statements
    with _as_sqlalchemy_errors(sqlite3.Error):
        if options.get("purpose") == "reading":
            run("PRAGMA query_only=ON")
            run("BEGIN")
            return
        run("PRAGMA query_only=OFF")
        run("PRAGMA synchronous=" + ("FULL" if options.get("durable", True) else "NORMAL"))
        run("BEGIN IMMEDIATE")  # with a deferred BEGIN, a read that turns into a write can fail at once


@contextmanager
def _as_sqlalchemy_errors(failure: type[Exception]) -> Iterator[None]:
    """Re-raises driver errors as SQLAlchemy's, so that callers catch one set of types."""
    try:
        yield
    except failure as error:
        refusals.met(engine(), error)
        raise OperationalError("past SQLAlchemy", None, error) from error


def _forget_parents_connections() -> None:
    # A forked child must not use its parent's sockets: drop the pool without closing them.
    for made in _made.values():
        made.dispose(close=False)


os.register_at_fork(after_in_child=_forget_parents_connections)


@contextmanager
def reading(*, snapshot: bool = False) -> Iterator[Session]:
    """A transaction that the database keeps read-only; with `snapshot` all its queries see one instant."""
    bound = engine()
    if bound.dialect.name == "sqlite":
        bound = bound.execution_options(purpose="reading")
    else:
        level = "REPEATABLE READ" if snapshot else "READ COMMITTED"
        bound = bound.execution_options(postgresql_readonly=True, isolation_level=level)
    with Session(bound, expire_on_commit=False, autoflush=False) as session:
        yield session


@contextmanager
def writing(*, durable: bool = True) -> Iterator[Session]:
    """A transaction that commits at its end and then wakes the workers it rang for; any error rolls it back.

    `durable=False` (synchronous=NORMAL) may lose SQLite's last commits in a power cut, never in a kill; for votes only.
    """
    bound = engine() if durable else engine().execution_options(durable=False)
    with Session(bound, expire_on_commit=False) as session:
        with session.begin():
            yield session
        owed = session.info.get("bells")
    if owed:
        notify(*owed)


def round_trip(session: Session) -> None:
    """Run an empty query, to see whether and how fast the database answers."""
    session.execute(text("SELECT 1"))


def database_time(session: Session) -> datetime:
    """The database server's time, in UTC."""
    told = session.scalar(text("SELECT CURRENT_TIMESTAMP"))
    return datetime.fromisoformat(told).replace(tzinfo=UTC) if isinstance(told, str) else told.astimezone(UTC)


def on_one_core(session: Session) -> None:
    """Keep PostgreSQL from spreading this transaction's queries over parallel workers; SQLite never does."""
    if not is_sqlite(session):
        session.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))


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
    with _as_sqlalchemy_errors(bound.dialect.loaded_dbapi.Error), bound.connect() as connection:
        if bound.dialect.name == "sqlite":
            raw: Any = connection.connection.dbapi_connection
            raw.execute("PRAGMA query_only=OFF")
            raw.execute("PRAGMA synchronous=" + ("FULL" if durable else "NORMAL"))
        else:
            connection.execution_options(isolation_level="AUTOCOMMIT")
        yield DriverConnection(connection)


@contextmanager
def driver_connection_of(session: Session) -> Iterator[DriverConnection]:
    """A driver connection inside the session's transaction; it does not see unflushed changes."""
    with _as_sqlalchemy_errors(engine().dialect.loaded_dbapi.Error):
        yield DriverConnection(session.connection())


def moment_of(kept: str | datetime | None) -> datetime | None:
    """A moment from the driver's value, in UTC."""
    if isinstance(kept, str):
        return datetime.fromisoformat(kept + "+00:00")
    return kept.astimezone(UTC) if kept else None


Listener = Callable[[frozenset[str]], None]
_listeners: list[Listener] = []


def on_commit(listener: Listener) -> None:
    """Call `listener` after each commit with the names of the queues that it left work for."""
    if listener not in _listeners:
        _listeners.append(listener)


def notify(*queues: str) -> None:
    """Wake the workers of these queues, whose work is committed now."""
    for listener in _listeners:
        listener(frozenset(queues))


def ring(session: Session, queue: str) -> None:
    """Wake the workers of `queue` once this transaction commits."""
    session.info.setdefault("bells", set()).add(queue)


def is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
