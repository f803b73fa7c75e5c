"""A database that is full, read-only, locked or away for a moment: what it says, and why no connection remembers it.

A connection that was opened while SQLite's file was read-only stays read-only after the file can be written again; so
does a session of PostgreSQL that began under `default_transaction_read_only`. Nothing asks a pooled connection what it
is. So each engine notes when it was last in trouble, closes what it holds idle, and keeps no connection that was opened
before: whatever follows is opened anew.
"""

import sqlite3
import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_SQLITE = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}  # fmt: skip
"""Result codes with which SQLite refuses what may well succeed later."""
_POSTGRESQL = ("08", "25006", "40", "53", "55", "57", "58", "XX")
"""The same of PostgreSQL, as beginnings of SQLSTATEs: connection, read-only, conflict, resources, locks, shut down."""
_ONLY_WAITED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT}
_ONLY_WAITED_TOO = ("40", "55", "57014")
"""Somebody else held a lock, or took too long: nothing is wrong with the connection."""


def refusal(error: BaseException) -> str | None:
    """The error's class and the database's own sentence, if it is none of our mistakes; None for any other error."""
    if isinstance(error, PoolTimeout):
        return "PoolTimeout: all connections of this process are in use"
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if not _refuses(cause):
        return None
    said = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {said[0] if said else 'no words'}"


def in_short(error: BaseException) -> str:
    """What the database says, without the addresses that the driver puts before it."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = str(cause).strip()
    if isinstance(cause, sqlite3.Error):
        return said
    if "FATAL:" in said:
        return said.partition("FATAL:")[2].splitlines()[0].strip()
    if "timeout" in said or "timed out" in said:
        return "no answer came in time"
    if "resolve host" in said:
        return "its name leads to no address"
    return "the connection is refused" if "onnection refused" in said else type(cause).__name__


def _refuses(cause: BaseException) -> bool:
    if isinstance(cause, sqlite3.Error):
        return _code(cause) in _SQLITE
    state = _state(cause)
    return state is not None and state.startswith(_POSTGRESQL)


def spoils(cause: BaseException) -> bool:
    """Whether a driver's error says more of the database or the connection than that somebody else was at work."""
    if isinstance(cause, sqlite3.Error):
        return _code(cause) in _SQLITE - _ONLY_WAITED
    state = _state(cause)
    return state is not None and state.startswith(_POSTGRESQL) and not state.startswith(_ONLY_WAITED_TOO)


def is_lock(error: BaseException) -> bool:
    """Whether the database refused only because somebody else held a lock for too long."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return _refuses(cause) and not spoils(cause)


def _code(cause: sqlite3.Error) -> int | None:
    code = getattr(cause, "sqlite_errorcode", None)  # None when the module, not the library, raised it
    return None if code is None else code & 0xFF


def _state(cause: BaseException) -> str | None:
    """The SQLSTATE of an error of psycopg; "08" where the connection broke or timed out before it gave one."""
    if not type(cause).__module__.startswith("psycopg"):
        return None
    broke = any(each.__name__ == "OperationalError" for each in type(cause).__mro__)
    return getattr(cause, "sqlstate", None) or ("08" if broke else None)


# ---- connections -------------------------------------------------------------------------------------------

_OPENED = "opened"
_in_trouble_at: dict[Engine, float] = {}


def keep_none_that_met_one(engine: Engine) -> None:
    """Let no connection of this engine go back to its pool that was open when the database was in trouble."""

    def opened(_connection: Any, record: Any) -> None:
        record.info[_OPENED] = time.monotonic()

    def returned(_connection: Any, record: Any) -> None:
        if record.info.get(_OPENED, 0.0) <= _in_trouble_at.get(engine, -1.0):
            record.invalidate()

    def failed(context: Any) -> None:
        met(engine, context.original_exception)

    event.listen(engine, "connect", opened, insert=True)
    event.listen(engine, "checkin", returned)
    event.listen(engine, "handle_error", failed)


def met(engine: Engine, cause: BaseException) -> None:
    """Note an error of the driver; if it spoils connections, close the idle ones now and the others on their return."""
    if spoils(cause):
        in_trouble(engine)


def in_trouble(engine: Engine) -> None:
    _in_trouble_at[engine] = time.monotonic()
    engine.pool.dispose()
