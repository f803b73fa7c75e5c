"""Files with readers' addresses, letters and keys are readable by their owner alone."""

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from db import private_files
from db.session import reading, writing
from db.settings import settings


def modes(folder: Path) -> dict[str, str]:
    """Each file and folder below it that others may do something with."""
    found = {each: each.stat().st_mode for each in (folder, *folder.rglob("*"))}
    return {str(each.relative_to(folder)): oct(mode) for each, mode in found.items() if mode & 0o077}


def write() -> None:
    with writing() as session:
        session.execute(text("CREATE TABLE IF NOT EXISTS people (address TEXT)"))


def test_a_new_database_and_all_beside_it_is_its_owners_alone(house):
    write()
    made = sorted(each.name for each in (house / "var").iterdir())
    assert made == ["verdicts.sqlite3", "verdicts.sqlite3-shm", "verdicts.sqlite3-wal"]
    assert modes(house / "var") == {}


def test_a_database_that_an_earlier_release_left_open_is_closed_to_others(house, setting):
    folder = house / "elsewhere"
    folder.mkdir()
    folder.chmod(0o755)
    keeper = sqlite3.connect(folder / "old.sqlite3")
    keeper.execute("PRAGMA journal_mode=WAL")
    keeper.execute("CREATE TABLE people (address TEXT)")
    for each in folder.iterdir():
        each.chmod(0o644)
    setting(DATABASE_URL=f"sqlite:///{folder}/old.sqlite3")
    write()
    assert modes(folder) == {".": "0o40755"}, "the folder may be one for others, too"
    keeper.close()


def test_a_folder_that_is_named_as_the_database_by_mistake_stays_open_to_others(house, setting):
    (house / "shared").mkdir()
    (house / "shared").chmod(0o755)
    setting(DATABASE_URL=f"sqlite:///{house}/shared")
    with pytest.raises(OperationalError):
        write()
    assert modes(house / "shared") == {".": "0o40755"}


def test_a_second_connection_costs_the_first_one_none_of_its_locks(house):
    write()
    with writing() as session:
        session.execute(text("INSERT INTO people VALUES ('alice')"))
        with reading() as other:
            assert other.scalar(text("SELECT count(*) FROM people")) == 0
        pid = os.fork()
        if not pid:  # another process, since locks of one's own are no hindrance
            stranger = sqlite3.connect("var/verdicts.sqlite3", timeout=0, isolation_level=None)
            try:
                stranger.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_a_key_that_others_could_read_is_closed_to_them(house, setting, monkeypatch):
    monkeypatch.delenv("SECRET_KEY")
    settings.cache_clear()
    [made] = settings().keys
    assert modes(house / "var") == {}
    (house / "var/secret_key").chmod(0o644)
    settings.cache_clear()
    assert settings().keys == (made,)
    assert modes(house / "var") == {}


def test_a_folder_of_the_system_is_nobodys_data_folder(monkeypatch):
    monkeypatch.setattr(private_files, "mend", pytest.fail)
    private_files.mend_folder(Path("/var"))
