"""What came back stands in its reader's history and on its digest's page."""

import pytest
from click.testing import CliRunner

from tests.hearing import BLAMED, GONE, SPAM, all_sent, hear
from tests.transports import SLOT
from web.cli import main

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("database")]


def run(*args: str) -> str:
    ran = CliRunner().invoke(main, args)
    assert ran.exit_code == 0, ran.output
    return ran.output


@pytest.fixture
def heard(clock, cast):
    """Bob's address is gone, Alice calls a letter spam, and Charlie's mail server blames us."""
    all_sent(clock, [cast.alice, cast.bob, cast.charlie])
    clock.forward(hours=1)
    hear(clock, 2, GONE | {"diagnostic": f"550 5.1.1 <{cast.bob}> no such user"})
    hear(clock, 1, SPAM)
    hear(clock, 3, BLAMED)


def test_the_digests_page_counts_what_came_back(console, heard):
    told = "1 address that does not exist, 1 letter for which we are blamed, 1 complaint"
    assert f"Came back: {told}." in console("viewer").get(f"/operator/digests/{SLOT}").text
    assert f"came back: {told}" in run("digest", "show", SLOT)


def test_a_readers_history_tells_what_came_back_in_the_servers_words_without_the_address(console, heard, cast):
    bob = console("viewer").get("/operator/people/2").text
    assert "Came back: the address does not exist" in bob
    assert f"<dd>digest {SLOT}</dd>" in bob
    assert "550 5.1.1 … no such user" in bob
    assert "The reader calls it spam" in console("operator").get("/operator/people/1").text
    assert "the mail server blames us, not the reader" in run("subscribers", "show", cast.charlie)


def test_a_digest_of_which_nothing_came_back_says_nothing(console, clock, cast):
    all_sent(clock, [cast.alice])
    assert "ame back" not in console("viewer").get(f"/operator/digests/{SLOT}").text
    assert "came back" not in run("digest", "show", SLOT)
