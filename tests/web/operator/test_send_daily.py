"""What operators read when SEND_DAILY makes a digest take days: before they send it, and while it waits."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from db.deliveries.claiming import claims
from db.deliveries.claiming.claims import Batch, Terms
from db.digests import digests
from db.session import reading, writing
from web.cli import main

PATH = "/operator/digests"


def command(*words: str) -> str:
    done = CliRunner().invoke(main, ["digest", *words])
    assert done.exit_code == 0, done.output
    return done.output


def send_one(slot: str) -> None:
    """A sender sends what SEND_DAILY=3 leaves: one letter is in doubt, and one stays free for a confirm letter."""
    now = datetime.now(UTC)
    with reading() as session:
        found = digests.get(session, slot)
    with writing() as session:
        batch = claims.claim(session, Terms("sender", 200, 4, timedelta(seconds=30), daily=3), found.id, now)
        assert isinstance(batch, Batch)
        claims.release(session, batch, now, sent=1)


def test_before_an_operator_sends_it_says_how_many_days_it_takes(console, slot, setting):
    setting(SEND_DAILY=1)
    asked = console("operator").press(f"{PATH}/{slot}/send")
    assert "At SEND_DAILY 1 it takes about two days." in asked.text


@pytest.mark.once
def test_the_command_says_it_too_and_nothing_where_it_is_soon(slot, setting):
    assert command("send", slot, "--dry-run") == f"{slot}: would be sent to 3 people; nothing was done.\n"
    setting(SEND_DAILY=1)
    assert "nothing was done. At SEND_DAILY 1 it takes about two days.\n" in command("send", slot, "--dry-run")
    assert "it goes out. At SEND_DAILY 1 it takes about two days.\n" in command("send", slot)


def test_while_it_waits_page_and_command_say_when_it_goes_on(console, sending, setting):
    setting(SEND_DAILY=3)
    browser = console("viewer")
    assert "SEND_DAILY is reached" not in browser.get(f"{PATH}/{sending}").text
    send_one(sending)
    page = browser.get(f"{PATH}/{sending}").text
    assert "SEND_DAILY is reached.</strong> Sending resumes by itself: <time" in page
    told = command("show", sending)
    opens = datetime.now(UTC) + timedelta(hours=24, minutes=2)
    assert any(
        f"SEND_DAILY is reached: sending resumes by itself at {opens - timedelta(minutes=m):%Y-%m-%d %H:%M} UTC" in told
        for m in (0, 1)
    )


def test_the_time_that_is_left_counts_the_days_of_waiting(console, sending, setting):
    setting(SEND_DAILY=3)
    send_one(sending)
    assert "about 24 h left" in console("viewer").get(f"{PATH}/{sending}").text


@pytest.mark.once
def test_a_paused_digest_does_not_wait_for_a_day(console, sending, setting):
    setting(SEND_DAILY=3)
    send_one(sending)
    with writing() as session:
        digests.move(session, sending, "pause", datetime.now(UTC))
    assert "SEND_DAILY is reached" not in console("viewer").get(f"{PATH}/{sending}").text
    assert "SEND_DAILY is reached" not in command("show", sending)
