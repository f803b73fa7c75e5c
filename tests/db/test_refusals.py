"""A database that was full, read-only or locked for a moment costs answers for that moment only."""

import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import make_url

from db import refusals
from db.driver import DriverConnection, driver_connection
from db.engine import engine, wait_at_most
from db.errors import DBAPIError, OperationalError, PoolTimeout
from db.session import reading, writing
from tests.conftest import _close_engines
from tests.hindered import held, read_only

WRITE = "INSERT INTO reviewers (name, lens) VALUES ('The Builder', '') ON CONFLICT (name) DO UPDATE SET lens = 'x'"
IN_DOUBT = "INSERT INTO votes (voter, tool_id, dirty, cast_at) VALUES ('anonymous:1', 99, true, '2026-11-17')"


def by_session() -> None:
    with writing() as session:
        session.execute(text(WRITE))


def by_driver() -> None:
    with driver_connection() as driver, driver.transaction():
        driver.execute(WRITE, ())


def at_once() -> None:
    with driver_connection(durable=False) as driver:
        driver.execute(WRITE, ())


def together(driver: DriverConnection, *statements: str) -> None:
    with driver.transaction():
        for each in statements:
            driver.execute(each, ())


def in_one_transaction(*statements: str) -> None:
    with driver_connection() as driver:
        together(driver, *statements)


WAYS = (by_session, by_driver, at_once)


def read() -> None:
    with reading() as session:
        session.scalar(text("SELECT count(*) FROM votes"))


def everybody_reads() -> None:
    """Several at the same moment, so that several connections are opened and kept."""
    together = threading.Barrier(4)

    def one() -> None:
        with reading() as session:
            session.scalar(text("SELECT 1"))
            together.wait(10)

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(one) for _ in range(4)]:
            each.result()


@pytest.fixture
def open_folder(sqlite, house, setting) -> Iterator[Path]:
    """The SQLite database in a folder that everybody may look into."""
    folder = Path(tempfile.mkdtemp(prefix="verdicts-"))
    folder.chmod(0o755)
    _close_engines()
    shutil.copy(house / "verdicts.sqlite3", folder)
    setting(DATABASE_URL=f"sqlite:///{folder}/verdicts.sqlite3")
    yield folder
    _close_engines()
    shutil.rmtree(folder)


@pytest.mark.parametrize("write", WAYS)
def test_sqlite_s_files_were_read_only_for_a_moment(open_folder, write):
    keeper = sqlite3.connect(open_folder / "verdicts.sqlite3")  # another process: the WAL stays where it is
    keeper.execute("SELECT count(*) FROM votes").fetchall()
    with read_only(open_folder):
        everybody_reads()
        with pytest.raises(OperationalError, match="readonly"):
            write()
        everybody_reads()
    for _ in range(8):
        write()
    keeper.close()


@pytest.mark.parametrize("write", WAYS)
def test_sessions_that_only_read_while_postgresql_was_read_only_are_not_kept(postgresql, write):
    server = make_url(postgresql).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as operator:
        operator.execute("ALTER DATABASE verdicts SET default_transaction_read_only = on")
        try:
            engine().dispose()
            everybody_reads()
            with pytest.raises(DBAPIError, match="read-only"):
                write()
            everybody_reads()
        finally:
            operator.execute("ALTER DATABASE verdicts RESET default_transaction_read_only")
    for _ in range(8):
        write()


@pytest.mark.parametrize("write", WAYS)
def test_a_connection_that_found_the_disk_full_is_not_kept(sqlite, write):
    full = [True]

    def may_not_grow(connection: sqlite3.Connection, _record: object) -> None:
        if full[0]:
            [pages] = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(engine(), "connect", may_not_grow)
    with pytest.raises(OperationalError, match="full"):
        in_one_transaction(
            *[f"INSERT INTO reviewers (name, lens) VALUES ('{n}', zeroblob(500))" for n in range(10_000)]
        )
    full[0] = False
    with writing() as session:
        assert session.scalar(text("SELECT count(*) FROM reviewers")) == 0
        session.connection().exec_driver_sql("INSERT INTO reviewers (name, lens) VALUES ('one', ?)", ("x" * 500_000,))
    write()


def test_a_commit_that_fails_leaves_no_transaction_open(sqlite):
    with driver_connection() as driver:
        with pytest.raises(sqlite3.IntegrityError):
            together(driver, "PRAGMA defer_foreign_keys=ON", IN_DOUBT)
        together(driver, WRITE)
    with reading() as session:
        assert session.scalar(text("SELECT count(*) FROM votes")) == 0
        assert session.scalar(text("SELECT count(*) FROM reviewers")) == 1


def test_the_first_error_is_told_not_that_of_the_rollback(sqlite):
    with driver_connection() as driver, pytest.raises(sqlite3.OperationalError, match="nowhere"):
        together(driver, "ROLLBACK", "SELECT * FROM nowhere")  # SQLite rolls back by itself when it finds no room


def test_what_a_database_refuses_for_a_time_is_told_from_our_mistakes(sqlite, monkeypatch):
    with writing() as session:
        session.execute(text(WRITE))
    with pytest.raises(DBAPIError) as mistake, reading() as session:
        session.execute(text("SELECT nothing FROM nowhere"))
    assert refusals.refusal(mistake.value) is None
    with pytest.raises(DBAPIError) as twice, writing() as session:
        session.execute(text("INSERT INTO reviewers (name, lens) VALUES ('The Builder', '')"))
    assert refusals.refusal(twice.value) is None
    assert refusals.refusal(LookupError("x")) is None
    assert refusals.refusal(PoolTimeout()) == "PoolTimeout: all connections of this process are in use"


@pytest.mark.parametrize(
    ("state", "refused", "spoilt"),
    [
        (psycopg.errors.DiskFull, True, True),
        (psycopg.errors.ReadOnlySqlTransaction, True, True),
        (psycopg.errors.AdminShutdown, True, True),
        (psycopg.errors.OperationalError, True, True),
        (psycopg.errors.ConnectionTimeout, True, True),
        (psycopg.errors.LockNotAvailable, True, False),
        (psycopg.errors.DeadlockDetected, True, False),
        (psycopg.errors.QueryCanceled, True, False),
        (psycopg.errors.UniqueViolation, False, False),
        (psycopg.errors.UndefinedColumn, False, False),
    ],
)
def test_postgresql_s_errors_are_known_by_their_states(state, refused, spoilt):
    error = state("some words\nDETAIL: of somebody")
    wrapped = DBAPIError("INSERT", None, error)
    expected = f"{state.__name__}: some words" if refused else None
    assert (refusals.refusal(wrapped), refusals.spoils(error)) == (expected, spoilt)
    assert refusals.is_lock(wrapped) == (refused and not spoilt)


# ---- locks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", WAYS)
def test_whoever_says_so_waits_for_a_short_time_only_and_the_others_as_before(database, write):
    write()
    with held(database, "reviewers"):
        wait_at_most(0.2)
        began = time.monotonic()
        try:
            with pytest.raises(DBAPIError) as refused:
                write()
        finally:
            wait_at_most(None)
        assert 0.15 < time.monotonic() - began < 10
        assert refusals.is_lock(refused.value)
        patient = threading.Thread(target=write)  # with the same connection
        patient.start()
        patient.join(0.7)
        assert patient.is_alive()
    patient.join(10)
    assert not patient.is_alive()


def test_a_refusal_in_short_names_no_address(postgresql, setting):
    address = make_url(postgresql)
    said = {}
    for what, url in {
        "missing": address.set(database="nowhere"),
        "away": make_url("postgresql://reader:secret@127.0.0.1:1/verdicts"),
        "unknown": make_url("postgresql://reader:secret@db.invalid/verdicts"),
    }.items():
        setting(DATABASE_URL=url.render_as_string(hide_password=False))
        with pytest.raises(OperationalError) as refused:
            read()
        said[what] = refusals.in_short(refused.value)
    assert said == {
        "missing": 'database "nowhere" does not exist',
        "away": "the connection is refused",
        "unknown": "its name leads to no address",
    }
