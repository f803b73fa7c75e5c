"""The whole story of one reader: complete, in time order, and with a true word about the next digest."""

from datetime import UTC, datetime, timedelta

import pytest

from db.deliveries import deliveries
from db.deliveries.deliveries import Delivery
from db.digests import digests
from db.operators.audit import Actor
from db.rules import Refused
from db.session import reading, writing
from db.subscribers import subscribers, subscriptions
from db.votes import votes
from web.actions.subscribers import subscribers as actions
from web.actions.subscribers import timeline

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)  # the Monday before the digest
OLGA = Actor("olga@newsroom.example")


@pytest.fixture
def alice(database, catalogue, cast):
    """Alice asked, confirmed, got a welcome and a digest that was deferred, and voted."""
    with writing() as session:
        subscriptions.request(session, cast.alice, words="Yes, write to me", words_version="3", locale="en",
                            form_url="/compare/x", ip="192.0.2.7", user_agent="Browser 1", now=NOW)  # fmt: skip
        asked = subscribers.history(session, subscribers.by_address(session, cast.alice).id)[-1]
        found = subscriptions.confirm(session, asked.id, "192.0.2.7", NOW + timedelta(minutes=1))
        person = f"subscriber:{found.id}"
        deliveries.owe(session, "welcome", asked.id, person, NOW + timedelta(minutes=2))
        digest = digests.open_slot(session, "2026-W46", NOW - timedelta(days=6), NOW)
        deliveries.owe(session, "digest", digest.id, person, NOW + timedelta(minutes=3))
        late = session.query(Delivery).where(Delivery.letter == "digest").one()
        late.state, late.code, late.reply, late.tries = "deferred", 451, f"451 try later, {cast.alice}", 2
        votes.cast(session, person, catalogue.quillmate, "ship", NOW)
        votes.cast(session, person, catalogue.inkwell, "skip", NOW)
        votes.withdraw(session, person, catalogue.inkwell, NOW)
        return found.id


def told(subscriber_id, now=NOW + timedelta(hours=1)):
    with reading() as session:
        return timeline.of(session, subscriber_id, now)


def test_the_story_is_complete_and_in_time_order(alice, cast):
    actions.suppress(OLGA, [cast.alice], NOW + timedelta(minutes=5), "asked on the phone")
    found = told(alice)
    assert [event.title for event in found.events] == [
        "Asked for the letter", "Confirmed", "Letter welcome: pending", "Letter digest 2026-W46: deferred",
        "Suppressed, by olga@newsroom.example", "Suppressed: by hand",
    ]  # fmt: skip
    asked = dict(found.events[0].open) | dict(found.events[0].private)
    assert asked["words"] == "version 3 Yes, write to me"
    assert (asked["by"], asked["from"], asked["with"]) == ("/compare/x", "192.0.2.7", "Browser 1")
    letter = dict(found.events[3].open)
    assert letter["the server said"] == f"451 try later, {cast.alice}"
    assert letter["tries"] == "2"
    assert letter["Message-ID"].startswith("<digest.")
    assert "Message-ID" not in dict(found.events[2].open), "the welcome has not been tried"
    assert [vote.choice for vote in found.votes] == ["ship"]


def test_it_says_why_the_next_digest_comes_or_does_not(alice, cast):
    assert told(alice).next_digest.startswith("Digest 2026-W47 comes")
    with writing() as session:
        subscribers.find(session, alice).paused_until = NOW + timedelta(days=30)
    assert "paused until 2026-12-16" in told(alice).next_digest
    assert told(alice, NOW + timedelta(days=30)).comes  # the pause ends before the digest after next
    actions.suppress(OLGA, [cast.alice], NOW)
    assert "suppressed (by hand)" in told(alice, NOW + timedelta(days=30)).next_digest
    with writing() as session:
        subscriptions.leave(session, alice, "link", NOW)
    assert "has left" in told(alice).next_digest
    actions.erase(OLGA, alice, NOW)
    assert "was erased" in told(alice).next_digest
    assert cast.alice not in str(told(alice).as_json())


def test_a_digest_that_is_held_comes_to_nobody(alice):
    with writing() as session:
        digests.open_slot(session, "2026-W47", NOW + timedelta(days=1), NOW)
        digests.move(session, "2026-W47", "hold", NOW)
    assert (told(alice).comes, told(alice).next_digest) == (False, "Digest 2026-W47 is held, for everybody.")


def test_who_is_not_there_has_no_story(sqlite):
    with pytest.raises(Refused, match="no subscriber 12"):
        told(12)
