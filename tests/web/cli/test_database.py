"""`verdicts db upgrade`, and what the other commands do beside the database of another release."""

import errno
import socket
import sqlite3

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from db import engine, session
from db.schema import RELEASE
from tests.schemas import belongs_to
from web.cli import main

LATER = "This database belongs to release 9.0.0; start that release or restore the copy made before."


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize(
    "words",
    [("digest", "list"), ("votes", "check"), ("subscribers", "list"), ("jobs", "list"), ("db", "upgrade"), ("up",)],
    ids=" ".join,
)
def test_beside_a_later_release_commands_refuse_in_one_sentence(sqlite, redis_url, setting, words):
    belongs_to("9.0.0", oldest="9.0.0")
    setting(PORT=_free_port())
    assert run(*words) == (1, f"Error: {LATER}\n")


def test_beside_a_later_release_the_doctor_tells_and_help_and_version_are_given(sqlite, redis_url):
    belongs_to("9.0.0", oldest="9.0.0")
    code, told = run("doctor")
    assert code == 1
    assert f"✕ database: sqlite answers. {LATER}" in told
    assert run("--version") == (0, f"verdicts, version {RELEASE}\n")
    for words in (("--help",), ("digest", "--help"), ("digest", "list", "--help")):
        assert run(*words)[0] == 0


def test_where_the_later_release_lets_this_one_go_on_commands_work(sqlite, redis_url):
    belongs_to("9.0.0", oldest=RELEASE)
    assert run("digest", "list")[0] == 0
    assert run("db", "upgrade")[0] == 0
    assert "with which this release" in run("doctor")[1]


def test_beside_an_older_database_commands_say_what_to_run_and_then_work(house):
    code, told = run("digest", "list")
    assert code == 1
    assert told.startswith("Error: The database is not set up")
    assert told.endswith("run: verdicts db upgrade\n")
    assert run("db", "upgrade")[0] == 0
    assert run("digest", "list")[0] == 0


def test_a_command_that_finds_the_database_locked_says_so_in_a_sentence(sqlite, monkeypatch):
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    engine._made.clear()
    holder = sqlite3.connect(sqlite.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    said = "Somebody else has held the database's lock for too long (database is locked). Run it again."
    assert run("votes", "rebuild") == (1, f"Error: {said}\n")
    holder.close()
    assert run("votes", "rebuild")[0] == 0


def test_a_command_that_finds_postgresql_read_only_says_so_in_a_sentence(postgresql):
    with session.writing() as opened:
        opened.execute(text("ALTER DATABASE verdicts SET default_transaction_read_only = on"))
    engine.engine().dispose()
    try:
        code, told = run("operator", "add", "dana@newsroom.example", "--role", "admin")
    finally:
        with engine.engine().connect() as connection:
            connection.execute(text("SET TRANSACTION READ WRITE"))
            connection.execute(text("ALTER DATABASE verdicts RESET default_transaction_read_only"))
            connection.commit()
    assert code == 1
    assert told.startswith("Error: The database does not answer: cannot execute")
    assert len(told.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_named(sqlite, setting, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "var/up.lock")

    monkeypatch.setattr("db.private_files.opener", full)
    setting(PORT=_free_port())
    assert run("up") == (1, "Error: var/up.lock cannot be written: No space left on device.\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
