"""A database is brought to this release beside those who work on it, and after any kill."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from db import migrations, schema, session
from db.addresses import hashes_of
from db.engine import engine
from db.migrations import ONE_AT_A_TIME, InUse
from db.settings import settings
from db.tables import TABLES
from tests.prepared import Command
from tests.schemas import at_revision

pytestmark = pytest.mark.long

BEFORE_THE_CONSOLE = "0003"
"""An older state whose upgrade adds columns to large tables and builds indexes on them."""
JOB = (
    "INSERT INTO jobs (kind, payload, state, attempt, allowed, run_after, trigger, created_at)"
    " VALUES ('letter', '{}', 'pending', 0, 5, '2026-11-17', 'event', '2026-11-17')"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request, house, setting) -> Iterator[str]:
    """The kind of a database that nobody has set up yet, which DATABASE_URL names."""
    schema.forget()
    if request.param == "sqlite":
        setting(DATABASE_URL=f"sqlite:///{house}/old.sqlite3")
        yield "sqlite"
        return
    server = make_url(request.getfixturevalue("_postgresql_server"))
    name = f"old_{time.monotonic_ns()}"
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        setting(DATABASE_URL=server.set(database=name).render_as_string(hide_password=False))
        yield "postgresql"
        engine().dispose()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def reader_of_jobs() -> Iterator[Connection]:
    """Somebody who reads for long, as a back-up does."""
    bound = engine()
    if bound.dialect.name == "sqlite":
        bound = bound.execution_options(purpose="reading")
    with bound.connect() as connection:
        connection.execute(text("SELECT count(*) FROM jobs")).scalar()
        yield connection


def count(table: str) -> int:
    with session.reading() as opened:
        return opened.scalar(text(f"SELECT count(*) FROM {table}"))


def write_jobs(number: int = 1) -> None:
    with session.writing() as opened:
        for _ in range(number):
            opened.execute(text(JOB))


def is_whole() -> bool:
    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, TABLES) == []
        if connection.dialect.name != "sqlite":
            assert connection.scalar(text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")) == 0
    return schema.standing().answer == "this"


def command(*words: str) -> Command:
    environment = {**os.environ, "DATABASE_URL": settings().database_url}
    return Command(
        ["verdicts", "db", "upgrade", *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def wait_for(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


@pytest.mark.parametrize("revision", ["0003", "0004", "0009"])
def test_an_older_database_with_rows_becomes_this_release_s_and_keeps_them(empty, revision):
    at_revision(revision)
    write_jobs(50)
    assert schema.standing().answer == "older"
    said = []
    migrations.upgrade(said.append)
    assert is_whole()
    assert count("jobs") == 50
    assert [line[:4] for line in said] == [f"{n:04}" for n in range(int(revision) + 1, int(schema.REVISION) + 1)]


def test_a_reader_who_stays_open_does_not_hold_up_those_who_write(empty):
    at_revision(BEFORE_THE_CONSOLE)
    upgraded, waits = threading.Event(), []
    work = threading.Thread(target=lambda: (migrations.upgrade(), upgraded.set()))
    with reader_of_jobs():
        work.start()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            begun = time.monotonic()
            write_jobs()
            waits.append(time.monotonic() - begun)
            time.sleep(0.05)
        assert empty == "sqlite" or not upgraded.is_set()  # PostgreSQL's columns wait for the reader, begun anew
    work.join(60)
    assert upgraded.is_set()
    assert max(waits) < migrations.steps.LOCK_SECONDS + 1
    assert is_whole()
    assert count("jobs") == len(waits)


def test_an_upgrade_that_is_killed_amid_is_finished_by_the_next(empty):
    at_revision(BEFORE_THE_CONSOLE)
    write_jobs(200)
    for _ in range(2):
        stood = schema.standing().revision
        process = command()
        wait_for(lambda stood=stood, process=process: schema.standing().revision > stood or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.wait()
    again = command()
    assert again.wait(60) == 0, again.stdout.read()
    assert is_whole()
    assert count("jobs") == 200


def test_an_index_that_a_kill_left_invalid_is_made_anew(empty):
    if empty == "sqlite":
        pytest.skip("SQLite builds an index in the revision's own transaction")
    at_revision("0008")
    write_jobs(20)

    def unfinished() -> bool:
        with engine().connect() as connection:
            query = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('ix_jobs_failed') AND NOT indisvalid"
            return bool(connection.scalar(text(query)))

    with engine().connect() as writer:
        writer.execute(text(JOB))  # a writer's open transaction: the index is begun and waits for it
        process = command()
        wait_for(unfinished)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with engine().connect() as others:  # and the server ends what it was asked, as after a crash
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%'"
            others.execute(text(query))
            others.rollback()
        writer.commit()
    assert unfinished()
    migrations.upgrade()
    assert is_whole()


def test_two_upgrades_at_once_do_the_work_once(empty):
    at_revision(BEFORE_THE_CONSOLE)
    both = [command(), command()]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert is_whole()


def test_an_upgrade_that_finds_another_at_work_says_where_the_database_stands(empty, monkeypatch):
    monkeypatch.setattr(migrations, "OTHERS_SECONDS", 0.3)
    monkeypatch.setattr("db.engine.BUSY_SECONDS", 0.3)
    at_revision("0009")
    with engine().connect() as other:
        if empty == "sqlite":
            other.begin()
        else:
            other.execute(text("SELECT pg_advisory_lock(:number)"), {"number": ONE_AT_A_TIME})
            other.commit()
        with pytest.raises(InUse, match=r"stands at revision 0009, and nothing is half done; run it again\."):
            migrations.upgrade()
        other.invalidate()
    migrations.upgrade()
    assert is_whole()


def test_before_it_begins_it_says_what_will_run_over_how_many_rows(empty):
    at_revision("0008")
    write_jobs(30)
    dry = command("--dry-run")
    said = dry.communicate(timeout=30)[0]
    assert dry.returncode == 0
    assert said.startswith(f"From revision 0008 to revision {schema.REVISION} (release {schema.RELEASE}):\n  0009 Jobs")
    assert "(30 jobs)" in said
    assert said.endswith("Nothing was changed.\n")
    assert schema.standing().revision == "0008"


@pytest.fixture
def nobodys(empty, cast, monkeypatch) -> str:
    """A database from before revision 0005 with five people, and suppressions that do not say whose they are."""
    monkeypatch.setattr("db.engine.BUSY_SECONDS", 0.5)
    monkeypatch.setattr(migrations.steps, "PAGE", 2)
    at_revision("0004")
    with session.writing() as opened:
        for number, address in enumerate((cast.alice, cast.bob, "eve@reader.example", cast.charlie), start=1):
            row = {"id": number, "address": address}
            query = "INSERT INTO subscribers (id, address, address_key, state, created_at)"
            opened.execute(text(query + " VALUES (:id, :address, :address, 'active', '2026-11-17')"), row)
        for address in (cast.alice, cast.charlie, "stranger@reader.example"):
            query = "INSERT INTO suppressions (address_hash, reason, at) VALUES (:hash, 'manual', '2026-11-17')"
            opened.execute(text(query), {"hash": hashes_of(address)[0]})
    return empty


@pytest.fixture
def amid(empty, monkeypatch):
    """`amid(work)`: do this after each page of rows that a migration goes through, while others may write."""

    def put(work) -> None:
        if empty == "sqlite":
            monkeypatch.setattr(migrations.steps, "time", SimpleNamespace(sleep=lambda _: work()))
        else:
            monkeypatch.setattr(migrations.steps, "_give_way", work)

    return put


def whose(*addresses: str) -> list[int | None]:
    query = text("SELECT subscriber_id FROM suppressions WHERE address_hash = :hash")
    with session.reading() as opened:
        return [opened.scalar(query, {"hash": hashes_of(address)[0]}) for address in addresses]


def test_suppressions_that_never_said_whose_they_are_are_listed_after_it(nobodys, cast):
    migrations.upgrade()
    assert whose(cast.alice, cast.charlie, "stranger@reader.example") == [1, 4, None]


def test_people_sign_up_and_vote_while_old_suppressions_learn_whose_they_are(nobodys, cast, amid):
    amid(write_jobs)  # it would fail after half a second if the upgrade kept the writer's place
    migrations.upgrade()
    assert count("jobs") >= 2  # one after each page of each migration that goes through rows
    assert is_whole()
    assert whose(cast.alice, cast.charlie) == [1, 4]


def test_an_upgrade_comes_to_its_end_however_many_sign_up_meanwhile(nobodys, cast, amid):
    numbers = iter(range(5, 50))

    def sign_up() -> None:
        row = {"id": next(numbers), "state": "pending"}
        query = "INSERT INTO subscribers (id, state, created_at) VALUES (:id, :state, '2026-11-17')"
        with session.writing() as opened:
            opened.execute(text(query), row)

    amid(sign_up)
    migrations.upgrade()
    assert is_whole()
    assert count("subscribers") == 6


def test_an_upgrade_that_ends_amid_the_rows_keeps_what_it_did_and_is_run_again(nobodys, cast, amid):
    def end() -> None:
        raise KeyboardInterrupt

    amid(end)
    with pytest.raises(KeyboardInterrupt):
        migrations.upgrade()
    assert schema.standing().revision == "0011"
    assert whose(cast.alice, cast.charlie) == [1, None]
    amid(lambda: None)
    migrations.upgrade()
    assert is_whole()
    assert whose(cast.alice, cast.charlie) == [1, 4]


def test_an_upgrade_that_another_overtook_amid_the_rows_has_nothing_left_to_do(nobodys, cast, amid):
    if nobodys == "postgresql":
        pytest.skip("on PostgreSQL the other one waits for the advisory lock")
    others = []

    def overtake() -> None:
        if not others:
            others.append(command())
            assert others[0].wait(60) == 0, others[0].stdout.read()

    amid(overtake)
    migrations.upgrade()
    assert is_whole()
    assert whose(cast.alice, cast.charlie) == [1, 4]
