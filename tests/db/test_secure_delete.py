"""SQLite writes zeros over what is deleted, on every connection and whatever its build's default is."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from db import engine, migrations
from db.driver import driver_connection
from db.session import reading, writing

ASKED = "PRAGMA secure_delete"


@pytest.fixture
def lax(sqlite, monkeypatch) -> None:
    """A build of SQLite that leaves what is deleted, as Python's own are; Debian's would hide that we never asked."""
    connect = sqlite3.dbapi2.connect

    def connect_laxly(*given, **named):
        connection = connect(*given, **named)
        connection.execute(f"{ASKED}=OFF")
        return connection

    monkeypatch.setattr("sqlite3.dbapi2.connect", connect_laxly)
    engine.engine().dispose()


def test_a_build_that_leaves_what_is_deleted_is_told_not_to(tmp_path):
    with closing(sqlite3.connect(tmp_path / "other_build.sqlite3")) as connection:
        connection.execute(f"{ASKED}=OFF")
        engine._open_sqlite(connection, None)
        assert connection.execute(ASKED).fetchone() == (1,)


def test_a_build_that_will_not_is_not_used():
    class Deaf(sqlite3.Connection):
        def execute(self, sql, *parameters):
            return super().execute("SELECT 0" if sql.startswith(ASKED) else sql, *parameters)

    with closing(sqlite3.connect(":memory:", factory=Deaf)) as deaf, pytest.raises(OperationalError, match="overwrite"):
        engine._open_sqlite(deaf, None)


def test_no_connection_is_opened_past_it(lax):
    """Transactions of both kinds, the raw driver and the migrations."""
    for opened in (reading, writing):
        with opened() as session:
            assert session.scalar(text(ASKED)) == 1
    with driver_connection() as driver:
        assert driver.fetch(ASKED, ()) == [(1,)]
    migrations.upgrade()
    with engine.engine().connect() as connection:
        assert connection.scalar(text(ASKED)) == 1


def test_a_deleted_address_is_not_in_the_file(lax, sqlite, cast):
    with writing() as session:
        session.execute(
            text(
                "INSERT INTO subscribers (address, address_key, state, created_at) VALUES (:a, :a, 'pending', '2026')"
            ),
            {"a": cast.alice},
        )
    with writing() as session:
        session.execute(text("UPDATE subscribers SET address = NULL, address_key = NULL"))
    with driver_connection() as driver:
        driver.fetch("PRAGMA wal_checkpoint(TRUNCATE)", ())
    with open(sqlite.removeprefix("sqlite:///"), "rb") as file:
        assert cast.alice.encode() not in file.read()
