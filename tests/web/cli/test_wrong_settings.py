"""A command with other settings than the site, or in another folder, does nothing and says where it looked."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from db import schema
from db.digests import digests
from db.monitoring import runs_with
from db.monitoring.heartbeats import Heartbeat
from db.operators.audit import Actor
from db.session import reading, writing
from db.settings import settings
from tests.conftest import load_catalogue
from web.actions.digests import digests as actions
from web.cli import main
from worker.processes import heartbeats

POSTAL = "Example Street 1, 1000 Example"
SITE = {"BASE_URL": "https://news.example", "SITE_NAME": "The News", "MAIL_FROM": "The News <digest@news.example>",
        "MAIL_POSTAL_ADDRESS": POSTAL, "MAIL_URL": "smtp://relay.example:25"}  # fmt: skip


def command(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(autouse=True)
def _forgotten(house) -> None:
    """A process trusts a schema for some seconds, and never changes its folder, as the tests do."""
    schema.forget()


@pytest.fixture
def week(sqlite, clock, setting) -> str:
    """This week's slot, ready to be sent, with the site's settings."""
    setting(**SITE)
    load_catalogue(published=clock.now - timedelta(days=1))
    with writing() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO subscribers (address, address_key, state, created_at, confirmed_at, joined) VALUES"
            " ('alice@reader.example', 'alice@reader.example', 'active', '2026-11-01', '2026-11-01', 0)"
        )
    return "2026-W47"


def beat(clock, kind: str = "sender", **other: str) -> None:
    with writing() as session:
        runs = runs_with.of(settings()) | other
        session.add(Heartbeat(process=f"far:{kind}", kind=kind, started_at=clock.now, at=clock.now, runs_with=runs))


def frozen() -> bool:
    with reading() as session:
        found = digests.by_slot(session, "2026-W47")
    return found is not None and found.frozen_at is not None


# ---- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "here"),
    [("BASE_URL", "http://localhost:8000"), ("SITE_NAME", "Weekly AI Tool Verdicts"),
     ("MAIL_FROM", "Other <other@news.example>"), ("MAIL_POSTAL_ADDRESS", ""), ("MAIL_URL", "maildir:var/outbox")],
)  # fmt: skip
def test_what_differs_from_the_running_processes_is_refused_with_both_values(week, clock, setting, name, here):
    beat(clock)
    there = runs_with.of(settings())[name]
    setting(**{name: here})
    own = runs_with.of(settings())[name]
    told = command("digest", "send", week, code=1)
    assert f"{name} is “{own}” here, but “{there}” with sender far:sender" in told
    assert f"{name} is " in command("digest", "send", week, "--dry-run", code=1)
    assert not frozen()
    setting(**{name: SITE[name]})
    assert "frozen for 1 person" in command("digest", "send", week)


def test_a_password_in_a_mail_url_is_never_shown(week, clock, setting):
    beat(clock)
    setting(MAIL_URL="smtps://user:opensesame@relay.example")
    assert "frozen for 1 person" in command("digest", "send", week), "the same kind, encrypted"


def test_a_web_process_without_a_mail_url_is_in_nobodys_way(week, clock):
    beat(clock, "web", MAIL_URL="maildir")
    beat(clock, "sender")
    assert "frozen for 1 person" in command("digest", "send", week)


def test_the_console_of_a_web_process_without_a_mail_url_sends_on(week, clock, setting, monkeypatch):
    beat(clock, "sender")
    setting(MAIL_URL="maildir:var/outbox")
    monkeypatch.setattr(heartbeats, "_living", (os.getpid(), "web"))
    found, gone = actions.send(Actor("olga"), week, clock.now)
    assert (found.state, gone) == ("frozen", False)


def test_what_a_process_of_the_past_ran_with_does_not_count(week, clock, setting):
    beat(clock)
    clock.forward(minutes=1)
    setting(SITE_NAME="Renamed")
    assert "frozen for 1 person" in command("digest", "send", week)


def test_while_nothing_beats_what_up_ran_with_counts(week, clock, setting, redis_url):
    Path("var").mkdir()
    runs_with.leave(settings())
    assert Path("var/settings.json").stat().st_mode & 0o077 == 0
    setting(BASE_URL="http://localhost:8000")
    told = command("digest", "send", week, code=1)
    assert "BASE_URL is “http://localhost:8000” here, but “https://news.example” with what verdicts up ran with" in told
    assert not frozen()
    Path("var/settings.json").write_text("{ torn")
    assert "frozen for 1 person" in command("digest", "send", week)


# ---- a wrong folder ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [("digest", "send"), ("digest", "list"), ("subscribers", "export"), ("jobs", "list"), ("votes", "check"),
     ("audit",), ("operator", "list"), ("doctor",), ("deliveries", "explain", "alice@reader.example")],
    ids=" ".join,
)  # fmt: skip
def test_in_a_wrong_folder_no_command_makes_a_database(house, words):
    told = CliRunner().invoke(main, list(words))
    assert told.exit_code == 1
    assert f"The database is not set up: {house}/var/verdicts.sqlite3 does not exist." in told.output
    assert list(house.iterdir()) == []


def test_a_dry_run_of_the_upgrade_makes_none_either(house):
    told = command("db", "upgrade", "--dry-run")
    assert f"A new database would be made: {house}/var/verdicts.sqlite3." in told
    assert list(house.iterdir()) == []
    command("db", "upgrade")
    assert (house / "var/verdicts.sqlite3").exists()
    assert "There is no digest yet." in command("digest", "list")


def test_an_import_into_nothing_names_the_file_and_makes_nothing(house):
    (house / "content.yaml").write_text("tools: []\n")
    assert "The database is not set up" in command("import", "content.yaml", code=1)
    assert [each.name for each in house.iterdir()] == ["content.yaml"]
