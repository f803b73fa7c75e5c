"""`verdicts backup`, `restore` and `db copy`: the same rows on both kinds of database, or a clear refusal."""

import json
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from db import engine, guard, moments, signing_keys
from db.copies import copying, files
from db.copies.databases import tables
from db.copies.values import Checksum
from db.monitoring.heartbeats import Heartbeat
from db.operators import audit
from db.operators.audit import Actor
from db.session import reading, writing
from db.subscribers import suppressions
from tests import claiming, conftest
from tests.prepared import Command
from tests.terminals import at_a_terminal
from web.cli import main

pytestmark = pytest.mark.long


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(each) for each in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.fixture
def site(database: str) -> int:
    """A site in the middle of a send: thirty readers, eight letters in a sender's hands, and text of every kind."""
    signing_keys.record()
    conftest.load_catalogue()
    digest_id = claiming.make_digest(30)
    claiming.ask(digest_id, limit=8)
    with writing() as session:
        suppressions.suppress(session, "charlie@reader.example", "complaint", moments.now(), "said 'no' – “never”\n✓")
        audit.record(session, Actor("command: test"), "people.suppress", moments.now(), before={"é": [1, 2.5, None]})
        session.execute(text("DELETE FROM reviews WHERE id = (SELECT max(id) FROM reviews)"))
    return digest_id


def sums() -> dict[str, tuple[int, str]]:
    """What every table holds, but for the guard and the audit, which a copy adds to."""
    found = {}
    with copying.snapshot() as place:
        for table in tables():
            checksum = Checksum()
            for page in place.read(table):
                checksum.add(page)
            found[table.name] = checksum.rows, checksum.hex
    return {name: each for name, each in found.items() if name not in ("guards", "audit")}


def last_ids() -> dict[str, int]:
    with copying.snapshot() as place:
        return {table.name: place.last_id(table) for table in tables() if copying.numbered(table)}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_back_up_of_either_kind_fills_a_database_of_either_kind(site, kind, request, setting, tmp_path):
    before, numbers = sums(), last_ids()
    code, told = run("backup", tmp_path / "verdicts.backup")
    assert code == 0
    assert "counts and checksums agree" in told
    assert (tmp_path / "verdicts.backup").stat().st_mode & 0o777 == 0o600
    new_database(kind, request, setting, tmp_path)
    assert run("restore", tmp_path / "verdicts.backup")[0] == 0
    assert sums() == before
    assert {**numbers, "guards": 1, "audit": numbers["audit"] + 1} == last_ids(), "no id is given twice"


def new_database(kind: str, request, setting, tmp_path) -> str:
    """A new database of that kind, which DATABASE_URL names now."""
    url = f"sqlite:///{tmp_path}/new.sqlite3"
    if kind == "postgresql":
        server = request.getfixturevalue("_postgresql_server")
        conftest._order(server, "DROP DATABASE IF EXISTS fresh WITH (FORCE)", "CREATE DATABASE fresh")
        url = conftest._renamed(server, "fresh")
    setting(DATABASE_URL=url)
    return url


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_site_moves_to_another_database(site, kind, request, setting, tmp_path):
    old, before = engine.database_url(), sums()
    new = new_database(kind, request, setting, tmp_path)
    setting(DATABASE_URL=old)
    code, told = run("db", "copy", "--to", new, "--json")
    assert code == 0
    assert json.loads(told)["tables"]["deliveries"]["rows"] == 30
    setting(DATABASE_URL=new)
    assert sums() == before
    with reading() as session:
        assert guard.standing(session).how == "copy"


# ---- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.once
def test_a_back_up_replaces_no_file_and_needs_its_folder(site, tmp_path):
    there = tmp_path / "there"
    there.write_text("mine")
    assert run("backup", there) == (1, f"Error: {there} exists already; name a file that does not.\n")
    assert there.read_text() == "mine"
    code, told = run("backup", tmp_path / "none" / "file")
    assert (code, "the folder" in told, "does not exist" in told) == (1, True, True)
    (tmp_path / "part").symlink_to(there)
    (tmp_path / "x.part").symlink_to(there)
    assert run("backup", tmp_path / "x")[0] == 1
    assert there.read_text() == "mine"


@pytest.mark.once
def test_on_a_full_disk_nothing_is_left(site, tmp_path, monkeypatch):
    file, begun = tmp_path / "verdicts.backup", files.NewFile.__init__

    def small(new: files.NewFile, *given) -> None:
        begun(new, *given)
        new.raw.execute("PRAGMA max_page_count=40")  # SQLite's own error for a full disk, after some tables

    monkeypatch.setattr(files.NewFile, "__init__", small)
    told = f"Error: {file} cannot be written: database or disk is full. Nothing is left of it.\n"
    assert run("backup", file) == (1, told)
    assert not list(tmp_path.glob("verdicts.backup*"))


@pytest.mark.once
def test_a_back_up_that_is_killed_leaves_no_file_under_its_name_and_the_next_one_works(site, tmp_path):
    file = tmp_path / "verdicts.backup"
    slow = (
        "import time; from db.copies import copying; from web.cli import main\n"
        "copying.prove = lambda *given: time.sleep(60)\n"
        f"main(['backup', {str(file)!r}])"
    )
    started = Command(["python", "-c", slow])
    until = time.monotonic() + 60
    while not (tmp_path / "verdicts.backup.part").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert "Another back-up is being written" in run("backup", file)[1]
    started.send_signal(signal.SIGKILL)
    started.wait(10)
    assert not file.exists()
    assert run("backup", file)[0] == 0
    assert [each.name for each in tmp_path.glob("verdicts.backup*")] == [file.name]


def test_writers_do_not_wait_for_a_back_up(site):
    done = []

    def change() -> None:
        with writing() as session:
            session.execute(text("UPDATE tools SET tagline = 'changed meanwhile'"))
        done.append(time.monotonic() - began)

    with copying.snapshot() as place:
        [table] = [each for each in tables() if each.name == "tools"]
        place.count(table)
        began = time.monotonic()
        writer = threading.Thread(target=change)
        writer.start()
        writer.join(10)
        seen = [row for page in place.read(table) for row in page]
    assert done
    assert done[0] < 5
    assert "changed meanwhile" not in str(seen), "the snapshot shows one instant"


def test_a_database_that_is_not_empty_is_not_touched(site, tmp_path):
    assert run("backup", tmp_path / "file")[0] == 0
    before = sums()
    code, told = run("restore", tmp_path / "file")
    assert code == 1
    assert "The database is not empty" in told
    assert sums() == before


def test_a_database_that_a_site_runs_with_is_not_filled(site, request, setting, tmp_path):
    kind = "sqlite" if engine.database_url().startswith("sqlite") else "postgresql"
    assert run("backup", tmp_path / "file")[0] == 0
    new_database(kind, request, setting, tmp_path)
    assert run("db", "upgrade")[0] == 0
    with writing() as session:
        at = dict.fromkeys(("started_at", "at", "alive_at"), moments.now())
        session.add(Heartbeat(process="a", kind="worker", done=0, seconds=0.0, **at))
    assert "Processes of a site run with that database (worker)" in run("restore", tmp_path / "file")[1]
    with writing() as session:
        session.execute(text("DELETE FROM heartbeats"))
    code, told = run("restore", "--json", tmp_path / "file")
    assert code == 0
    assert json.loads(told)["tables"]["subscribers"]["rows"] == 30


def test_what_is_no_whole_back_up_of_this_release_is_refused_and_nothing_is_kept(site, request, setting, tmp_path):
    kind = "sqlite" if engine.database_url().startswith("sqlite") else "postgresql"
    good = tmp_path / "good"
    assert run("backup", good)[0] == 0
    new_database(kind, request, setting, tmp_path)
    for name, harm, words in (
        ("missing", lambda file: file.unlink(), "there is no such file"),
        ("text", lambda file: file.write_text("no database\n" * 500), "is no back-up"),
        ("empty", lambda file: file.write_bytes(b""), "is no back-up"),
        ("short", lambda file: os.truncate(file, file.stat().st_size // 2), "is damaged"),
        ("cut", lambda file: os.truncate(file, 50), "is damaged"),
        ("other", _other_release, "release 9.0.0 (revision 9999)"),
        ("row", lambda file: _do(file, "DELETE FROM subscribers WHERE id = 3"), "subscribers has 29 rows"),
        (
            "changed",
            lambda file: _do(file, "UPDATE subscribers SET address = 'x' WHERE id = 3"),
            "The back-up is damaged",
        ),
        ("half", lambda file: _do(file, "DROP TABLE backup"), "is not whole"),
        ("site", lambda file: _do(file, "PRAGMA application_id = 0"), "is no back-up"),
        ("moment", lambda file: _do(file, "UPDATE subscribers SET created_at = 'never'"), "damaged"),
    ):
        file = tmp_path / name
        file.write_bytes(good.read_bytes())
        harm(file)
        code, told = run("restore", file)
        assert (code, words in told) == (1, True), (name, told)
        assert "Traceback" not in told
    assert run("restore", good)[0] == 0, "the database is as empty as before"


def _do(file: Path, order: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute(order)
    connection.commit()
    connection.close()


def _other_release(file: Path) -> None:
    _do(file, "UPDATE backup SET value = '9999' WHERE name = 'revision'")
    _do(file, "UPDATE backup SET value = '9.0.0' WHERE name = 'release'")


def test_text_that_postgresql_cannot_hold_is_named(sqlite, request, setting, tmp_path):
    conftest.load_catalogue()
    with writing() as session:
        session.execute(text("UPDATE tools SET tagline = 'a' || char(0) || 'b'"))
    new = new_database("postgresql", request, setting, tmp_path)
    setting(DATABASE_URL=sqlite)
    code, told = run("db", "copy", "--to", new)
    assert code == 1
    assert "A row of tools cannot be stored there" in told
    assert "NUL" in told


@pytest.mark.once
def test_a_url_that_cannot_be_used_is_said_without_its_password(site):
    for url in ("mysql://u:hidden@h/d", "postgresql://u:hidden@h:99999/d", engine.database_url()):
        code, told = run("db", "copy", "--to", url)
        assert code in (1, 2)
        assert "hidden" not in told


@pytest.mark.once
def test_confirming_asks_at_a_terminal(site):
    with writing() as session:
        guard.stand(session, "back-up", moments.now(), 0, 0)
    code, told = at_a_terminal("restore", "confirm", answer="n")
    assert (code, "This database will send from now on. Go on?" in told, "Nothing was done." in told) == (1, True, True)
    with reading() as session:
        assert guard.standing(session)
    assert at_a_terminal("restore", "confirm", answer="y")[0] == 0
    with reading() as session:
        assert guard.standing(session) is None


def test_a_restored_database_without_the_sites_key_says_so(site, request, setting, tmp_path):
    assert run("backup", tmp_path / "file")[0] == 0
    new_database("sqlite", request, setting, tmp_path)
    setting(SECRET_KEY="another key")
    code, told = run("restore", tmp_path / "file")
    assert code == 0
    assert "no process can work with it yet" in told
