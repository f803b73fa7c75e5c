"""Migrations: runs the revisions that the database lacks, one at a time, from nothing or from any older one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import OperationalError

from db import schema
from db.engine import engine
from db.migrations.steps import Overtaken
from db.rules import Refused
from db.schema import WrongSchema
from db.session import reading

ONE_AT_A_TIME = 7_205_261
"""The key of the PostgreSQL advisory lock that an upgrade holds; on SQLite a revision is a BEGIN IMMEDIATE."""
OTHERS_SECONDS = 60.0
"""How long to wait for another process's upgrade."""
TRIES, BETWEEN_TRIES = 15, 1.0
"""How often a revision is tried while its tables are locked, and the seconds between two tries."""
IN_USE = {"55P03", "40P01"}
"""PostgreSQL's error codes for a lock time-out and for a deadlock."""
COUNTED_EXACTLY = 100_000


class InUse(Refused):
    """Other transactions held the locks for longer than an upgrade waits; nothing is half done."""


@dataclass(frozen=True, slots=True)
class Step:
    """A revision that has yet to run: its number, what it is for, and how many rows its tables hold."""

    revision: str
    title: str
    rows: dict[str, int]


def pending() -> list[Step]:
    """The revisions that an upgrade would run now, in their order."""
    stands = schema.standing().revision
    scripts = [each for each in _scripts().walk_revisions() if each.revision > stands]
    with reading() as session:
        connection = session.connection()
        return [
            Step(each.revision, each.doc, _rows(connection, getattr(each.module, "touches", ())))
            for each in reversed(scripts)
        ]


def upgrade(tell: Callable[[str], object] = lambda _: None) -> None:
    """Create the database, or upgrade it to this release; `tell` gets a line for each revision that was run.

    Processes that start together wait for one another. Each revision commits by itself, so that a kill loses at most
    the one that ran, which the next run begins anew. Raises WrongSchema if the database belongs to a later
    release that this one may not use, and InUse if other transactions held the locks.
    """
    found = schema.standing()
    if found.answer == "later":
        if found.may_run:
            return
        raise WrongSchema(found.told)
    if found.answer == "this":
        return
    with engine().connect() as connection, _alone(connection):
        for step in pending():
            begun = time.monotonic()
            run(connection, step.revision)
            tell(f"{step.revision} {step.title}: {time.monotonic() - begun:.1f} s")
    schema.forget()


def run(connection: Connection, revision: str) -> None:
    """Run one revision, and retry it while its tables are locked."""
    for left in reversed(range(TRIES)):
        try:
            _run(connection, revision)
        except Overtaken:
            connection.rollback()
            return
        except OperationalError as error:
            connection.rollback()
            if not _in_use(error):
                raise
            if not left or connection.dialect.name == "sqlite":  # SQLite's busy time-out has waited already
                raise _stands() from None
            time.sleep(BETWEEN_TRIES)
        else:
            return


def _run(connection: Connection, revision: str) -> None:
    """What `alembic upgrade` does, which would load the files of all revisions anew for each."""
    scripts = _scripts()
    with EnvironmentContext(
        _config(connection),
        scripts,
        fn=lambda stands, _: scripts._upgrade_revs(revision, stands),
        destination_rev=revision,
    ):
        scripts.run_env()


def _in_use(error: OperationalError) -> bool:
    return getattr(error.orig, "sqlstate", None) in IN_USE or "database is locked" in str(error.orig)


def _stands() -> InUse:
    return InUse(
        f"Others were at work on the database. It stands at revision {schema.standing().revision or 'none'},"
        f" and nothing is half done; run it again."
    )


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Hold PostgreSQL's advisory lock for as long as this connection's session lives.

    So the lock outlives a killed process until the server has finished that process's last statement.

    It is polled outside a transaction: CREATE INDEX CONCURRENTLY waits for all open transactions, so a transaction
    that waited for the lock would deadlock with the holder's index.
    """
    if connection.dialect.name != "sqlite":
        end = time.monotonic() + OTHERS_SECONDS
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": ONE_AT_A_TIME}):
            connection.rollback()
            if time.monotonic() > end:
                raise _stands()
            time.sleep(0.2)
        connection.commit()
    try:
        yield
    finally:
        connection.invalidate()  # close it instead of pooling it, which ends the lock and its time-outs


def _rows(connection: Connection, tables: tuple[str, ...]) -> dict[str, int]:
    """The row counts of those tables that exist; for large ones on PostgreSQL, its last estimate."""
    there = set(inspect(connection).get_table_names())
    return {name: _count(connection, name) for name in tables if name in there}


def _count(connection: Connection, table: str) -> int:
    if connection.dialect.name != "sqlite":
        estimate = connection.scalar(
            text("SELECT reltuples FROM pg_class WHERE oid = to_regclass(:name)"), {"name": table}
        )
        if estimate and estimate > COUNTED_EXACTLY:
            return int(estimate)
    return int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


@cache
def _scripts() -> ScriptDirectory:
    """The revisions, as they lay on the disk when this process first asked."""
    return ScriptDirectory.from_config(_config())


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
