"""The engine: how connections to the database are opened, how long they wait, and which errors they raise."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, FromClause, PoolProxiedConnection, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError

from db import moments, postgresql, private_files, refusals
from db.pool import FewSessions
from db.settings import settings

BUSY_SECONDS = 15
"""SQLite's busy time-out: how long a writer waits for another one."""
POOL_SECONDS = 5.0
"""How long a thread waits for a session on PostgreSQL while others use all that this process may have."""
IDLE_SECONDS = 10.0


def engine() -> Engine:
    """The engine of the database that this thread works with."""
    url = database_url()
    if url not in _made:
        _made[url] = _make(url)
    return _made[url]


_elsewhere: ContextVar[str | None] = ContextVar("elsewhere", default=None)


def database_url() -> str:
    """The database that this thread works with: the one that DATABASE_URL names, but within `elsewhere`."""
    return _elsewhere.get() or settings().database_url


@contextmanager
def elsewhere(url: str) -> Iterator[None]:
    """Work with another database for a while: all that asks or changes one does so there."""
    before = _elsewhere.set(url)
    try:
        yield
    finally:
        _elsewhere.reset(before)


def same_database(url: str) -> bool:
    """Whether that URL names the database that this thread works with, as far as the URLs tell."""
    one, other = make_url(url), make_url(database_url())
    if one.get_backend_name() == other.get_backend_name() == "sqlite":
        files = [_file_of(each) for each in (one, other)]
        return all(files) and len({each.resolve() for each in files if each}) == 1
    named = [(each.get_backend_name()[:8], each.host, each.port or 5432, each.database) for each in (one, other)]
    return named[0] == named[1]


_made: dict[str, Engine] = {}
_most: int | None = None


def _unlimited() -> int:
    """The connections of a process of unknown kind, for instance of another web server: more than any needs."""
    return 15 + 2 * settings().send_connections


def sessions_at_most(number: int) -> None:
    """Limit the sessions that this process has on PostgreSQL at once; its forked children too."""
    global _most
    _most = number
    for pool in _pools_of_postgresql():
        pool.size = number


def close_idle(seconds: float = IDLE_SECONDS) -> None:
    """Give back the sessions on PostgreSQL that this process has not used for so long."""
    for pool in _pools_of_postgresql():
        pool.close_idle(seconds)


def _pools_of_postgresql() -> list[FewSessions]:
    pools = [made.pool for made in _made.values() if made.dialect.name != "sqlite"]
    return [pool for pool in pools if isinstance(pool, FewSessions)]


def _make(url: str) -> Engine:
    address = make_url(url)
    if address.get_backend_name() in ("postgresql", "postgres"):
        address = address.set(drivername=postgresql.DRIVER)
    if address.get_backend_name() == "sqlite":
        file = _file_of(address)
        if file is not None:
            _keep_private(file)
        given: dict[str, Any] = {"timeout": BUSY_SECONDS}
        made = create_engine(address, poolclass=FewSessions, pool_size=_unlimited(), connect_args=given)
        if file is not None:
            event.listen(made, "do_connect", lambda *_: private_files.make_file(file))
        made.dialect.statement_compiler = _WithHints
        event.listen(made, "connect", _open_sqlite)
        event.listen(made, "begin", _begin_sqlite)
    else:
        made = create_engine(
            address, poolclass=FewSessions, pool_size=_most or _unlimited(), pool_timeout=POOL_SECONDS,
            pool_pre_ping=True, connect_args=postgresql.parameters(address),
        )  # fmt: skip
        event.listen(made, "connect", _open_postgresql)
    event.listen(made, "checkout", _set_wait)
    refusals.keep_none_that_met_one(made)
    return made


class _WithHints(SQLiteCompiler):
    """Writes the hints of queries (`INDEXED BY …`), which SQLAlchemy does for other databases alone."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002
        return text


def _file_of(address: URL) -> Path | None:
    return Path(address.database) if address.database and "uri" not in address.query else None


def missing_file() -> Path | None:
    """SQLite's file, if it does not exist: to connect would make an empty one, for instance in a wrong folder."""
    address = make_url(database_url())
    file = _file_of(address) if address.get_backend_name() == "sqlite" else None
    try:
        if file is not None:
            file.stat()
    except FileNotFoundError:
        return file
    except OSError:
        return None  # it is there but cannot be looked at: connecting reports that in the driver's words
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
    with as_sqlalchemy_errors(Exception):
        connection.execute(f"SET lock_timeout = {0 if wanted is None else int(wanted * 1000)}")
    connection.autocommit = False


def _milliseconds(wanted: float | None) -> int:
    """SQLite's busy time-out."""
    return int(1000 * (BUSY_SECONDS if wanted is None else min(wanted, BUSY_SECONDS)))


def _open_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # autocommit: the driver's implicit BEGIN would be a deferred one
    with as_sqlalchemy_errors(sqlite3.Error):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")
        _overwrite_what_is_deleted(connection)
    if _is_read_only(connection):
        refusals.in_trouble(engine())


def _overwrite_what_is_deleted(connection: sqlite3.Connection) -> None:
    """Let SQLite write zeros over what it deletes. Builds differ in their default, so the answer is read back."""
    if connection.execute("PRAGMA secure_delete=ON").fetchone() != (1,):
        raise sqlite3.NotSupportedError("this SQLite does not overwrite what it deletes (PRAGMA secure_delete)")


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
    connection.autocommit = True
    with as_sqlalchemy_errors(Exception):
        read_only = postgresql.set_up(connection)
        moments.measure(lambda: connection.execute("SELECT clock_timestamp()").fetchone()[0])
    connection.autocommit = False
    if read_only:
        refusals.in_trouble(engine())


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    raw: Any = connection.connection.dbapi_connection
    run = raw.execute  # the raw driver: SQLAlchemy's call would cost more than these statements
    with as_sqlalchemy_errors(sqlite3.Error):
        if options.get("purpose") == "reading":
            if connection.info.get(_MODE) != "reading":
                run("PRAGMA query_only=ON")
                connection.info[_MODE] = "reading"
            run("BEGIN")
            return
        writes_on_sqlite(connection.connection, durable=options.get("durable", True))
        run("BEGIN IMMEDIATE")  # with a deferred BEGIN, a read that turns into a write can fail at once


def writes_on_sqlite(connection: PoolProxiedConnection, *, durable: bool) -> None:
    """Let this connection write."""
    mode = "FULL" if durable else "NORMAL"
    if connection.info.get(_MODE) == mode:
        return
    raw: Any = connection.dbapi_connection
    raw.execute("PRAGMA query_only=OFF")
    raw.execute(f"PRAGMA synchronous={mode}")
    connection.info[_MODE] = mode


_MODE = "mode"
"""Where a connection's info keeps what it was told for its last transaction. It is told only what differs, since such a
PRAGMA makes SQLite prepare all statements anew."""


@contextmanager
def as_sqlalchemy_errors(failure: type[Exception]) -> Iterator[None]:
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
