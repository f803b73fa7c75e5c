"""A key that is lost, or is another site's: what the commands say, and what they leave alone."""

import os

import pytest
from click.testing import CliRunner

from db import moments, signing_keys
from db.secret_key import print_of
from db.session import reading, writing
from db.settings import settings
from db.subscribers import suppressions
from db.subscribers.subscribers import Subscriber
from tests import prepared
from tests.schemas import at_revision
from tests.terminals import at_a_terminal
from tests.web.cli.test_up import bare, free_port
from web.cli import main


@pytest.fixture(autouse=True)
def _forgotten(house) -> None:
    signing_keys.forget_checks()


def command(*words: str) -> tuple[int, str]:
    signing_keys.forget_checks()
    done = CliRunner().invoke(main, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def newest() -> str | None:
    with reading() as session:
        found = signing_keys.newest(session)
    return found.key_print if found else None


@pytest.fixture
def lost(database, setting, cast) -> str:
    """A site with one suppressed reader and one suppression of nobody's, whose key is lost; SECRET_KEY is a new one."""
    setting(SECRET_KEY="lost")
    signing_keys.record()
    with writing() as session:
        fields = {"address": cast.alice, "address_key": cast.alice, "state": "active", "created_at": moments.now()}
        session.add(Subscriber(**fields))
        session.flush()
        for address in (cast.alice, cast.charlie):
            suppressions.suppress(session, address, "complaint", moments.now())
    setting(SECRET_KEY="new")
    return cast.alice


def test_at_a_terminal_it_counts_what_is_lost_and_goes_on_only_when_told(lost):
    code, told = at_a_terminal("db", "forget-key", answer="n")
    assert code == 1
    assert "Suppressions of known addresses: 1 (hashed anew, so they hold)" in told
    assert "Suppressions by hash alone: 1 (they no longer hold, should the address come back)" in told
    assert told.endswith("Nothing was done.\n")
    assert newest() == print_of(b"lost")
    code, told = at_a_terminal("db", "forget-key", answer="y")
    assert code == 0, told
    assert newest() == print_of(b"new")
    with reading() as session:
        assert suppressions.suppressed(session, [lost]) == {lost}


def test_whoever_has_all_keys_loses_none(lost, setting):
    setting(SECRET_KEY="new,lost")
    code, told = command("db", "forget-key", "--yes")
    assert code == 1
    assert told.startswith("Error: Nothing is lost: the keys here")


def test_the_doctor_names_a_key_of_before_that_is_missing(sqlite, setting, redis_url):
    for given in ("old", "new,old"):
        setting(SECRET_KEY=given)
        assert command("digest", "list")[0] == 0
    setting(SECRET_KEY="new")
    code, told = command("doctor")
    assert code == 0, told
    assert "! keys: the key that the site used from " in told
    assert command("db", "forget-key", "--yes")[0] == 0
    assert "! keys" not in command("doctor")[1]


def test_up_makes_no_key_in_place_of_a_lost_one(house):
    (house / "var").mkdir()
    environment = bare(PORT=str(free_port()))
    run = lambda *words: prepared.run("verdicts", *words, env=environment)  # noqa: E731
    assert run("db", "upgrade").returncode == 0
    assert run("digest", "list").returncode == 0
    kept = house / "var/secret_key"
    kept.rename(house / "elsewhere")
    refused = run("up")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: SECRET_KEY, or the key in var/secret_key, is not this site's")
    for words in (("digest", "list"), ("doctor",)):
        assert run(*words).returncode == 1
    assert not kept.exists()
    (house / "elsewhere").rename(kept)
    assert run("digest", "list").returncode == 0


def test_a_command_elsewhere_without_the_key_leaves_none_behind(house, tmp_path_factory, monkeypatch):
    (house / "var").mkdir()
    database = f"sqlite:///{house}/var/verdicts.sqlite3"
    for words in (("db", "upgrade"), ("digest", "list")):
        ended = prepared.run("verdicts", *words, env=bare(DATABASE_URL=database))
        assert ended.returncode == 0, ended.stderr
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    ended = prepared.run("verdicts", "digest", "list", env=bare(DATABASE_URL=database), cwd=elsewhere)
    assert ended.returncode == 1
    assert "is not this site's" in ended.stderr
    assert os.listdir(elsewhere) == []


# ---- from 0.3.0 --------------------------------------------------------------------------------------------------


def test_a_site_of_0_3_0_is_upgraded_and_its_own_key_becomes_the_first(house, setting, cast):
    setting(DATABASE_URL=f"sqlite:///{house}/old.sqlite3", SECRET_KEY="of the site")
    at_revision("0021")
    with writing() as session:
        fields = {"address": cast.alice, "address_key": cast.alice, "state": "active", "created_at": moments.now()}
        session.add(Subscriber(**fields))
        session.flush()
        suppressions.suppress(session, cast.alice, "by hand", moments.now())
    setting(SECRET_KEY="foreign")
    assert command("db", "upgrade")[0] == 0
    code, told = command("digest", "list")
    assert (code, newest()) == (1, None)
    assert "the key of its suppressions, is not among the keys here" in told
    setting(SECRET_KEY="of the site")
    assert command("digest", "list")[0] == 0
    assert newest() == print_of(b"of the site")
    setting(SECRET_KEY="foreign")
    assert command("digest", "list")[0] == 1


def test_a_process_that_is_killed_as_soon_as_it_has_recorded_its_key_leaves_a_site_that_starts(database, setting):
    crash = "from db import signing_keys; import os; signing_keys.record(); os.kill(os.getpid(), 9)"
    environment = os.environ | {"SECRET_KEY": "first", "DATABASE_URL": settings().database_url}
    ended = prepared.run("python", "-c", crash, env=environment)
    assert ended.returncode == -9
    assert newest() == print_of(b"first")
    setting(SECRET_KEY="first")
    assert command("digest", "list")[0] == 0
    setting(SECRET_KEY="second")
    assert command("digest", "list")[0] == 1
