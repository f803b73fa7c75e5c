"""Letters as they were sent: own votes as they were at addressing, bodies as they were frozen, and the Date."""

from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from email.utils import parsedate_to_datetime

import pytest
from sqlalchemy import text

from db.deliveries import addressing, erasure
from db.digests import digests
from db.session import reading, writing
from db.settings import settings
from db.subscribers import subscribers
from db.votes import votes
from emails import links
from emails.messages.message import Recipient
from emails.replies import Outcome, judge
from tests import transports
from tests.worker.digests.test_digests import SLOT, join, send
from worker.digests import weekly_run as run
from worker.letters.composing import composer, frozen_letter

VALUES = dict.fromkeys(("VOTE", "UNSUBSCRIBE", "PREFERENCES", "SINCE"), "x")
RECIPIENT = Recipient("a@b.example", "<1@b.example>", "b@b.example", VALUES, "sk")
pytestmark = pytest.mark.usefixtures("catalogue")


# ---- the freeze ----------------------------------------------------------------------------------------------


def test_a_digest_keeps_its_tools_in_frozen_order(clock, catalogue, cast):
    join(cast.alice, clock.now)
    found = send(SLOT, clock.now)
    assert found.tool_ids == [catalogue.quillmate, catalogue.inkwell]


def test_the_bodies_that_earlier_releases_send_hold_no_places(asking, clock, cast):
    join(cast.alice, clock.now)
    send(SLOT, clock.now)
    with reading() as session:
        letter = frozen_letter(digests.get(session, SLOT))
    for body in (letter.html, letter.text):
        assert "Not yet to one. Not yet to two." in body
        assert "{~own" not in body
        assert "{~VOTE~}" in body


def sent_to(door) -> dict[str, Message]:
    """The last message that each address got."""
    return {to: message_from_bytes(message) for to, message in door.sent}


def said_to(door, address: str) -> str:
    """The first line of the text part that this address got last."""
    part = sent_to(door)[address].get_payload()[0]
    return part.get_payload(decode=True).decode().splitlines()[0]


# ---- own votes -----------------------------------------------------------------------------------------------


def test_each_reader_reads_their_own_votes_as_they_were_when_the_digest_was_addressed(
    asking, door, clock, catalogue, votes_of
):
    send(SLOT, clock.now)
    run.address_frozen()
    with writing() as session:
        votes.cast(session, votes_of["alice"], catalogue.quillmate, "skip", clock.now)  # she changes her mind
    transports.run()
    assert said_to(door, "alice@reader.example") == "You said ship to one. You said skip to two."
    assert said_to(door, "bob@reader.example") == "Not yet to one. You said ship to two."
    assert said_to(door, "charlie@reader.example") == "Not yet to one. Not yet to two."


def test_own_votes_are_one_short_text_in_frozen_order_and_none_without_a_vote(clock, votes_of):
    send(SLOT, clock.now)
    run.address_frozen()
    with reading() as session:
        kept = dict(session.execute(text("SELECT person, own_votes FROM deliveries WHERE letter = 'digest'")).all())
    assert [kept[votes_of[who]] for who in ("alice", "bob", "charlie")] == ["sk", "-s", None]


def test_pages_of_any_size_store_the_same_votes(clock, votes_of, monkeypatch):
    monkeypatch.setattr(addressing, "PAGE", 1)
    test_own_votes_are_one_short_text_in_frozen_order_and_none_without_a_vote(clock, votes_of)


def test_a_digest_that_an_older_release_froze_is_addressed_without_votes_and_sent_from_its_bodies(
    door, clock, votes_of
):
    send(SLOT, clock.now)
    with writing() as session:
        session.execute(text("UPDATE digests SET tool_ids = NULL, encoded = NULL, text = 'As it was frozen'"))
    run.address_frozen()
    transports.run()
    assert said_to(door, "alice@reader.example") == "As it was frozen"


def test_erasing_alice_empties_her_votes_on_her_letters(clock, votes_of):
    send(SLOT, clock.now)
    run.address_frozen()
    with writing() as session:
        found = subscribers.by_address(session, "alice@reader.example")
        assert found
        erasure.erase(session, found, clock.now)
    with reading() as session:
        assert session.scalars(text("SELECT own_votes FROM deliveries WHERE own_votes IS NOT NULL")).all() == ["-s"]


# ---- after an upgrade ----------------------------------------------------------------------------------------


def test_a_digest_in_flight_goes_on_word_for_word_after_an_upgrade(asking, door, clock, votes_of):
    send(SLOT, clock.now)
    run.address_frozen()
    with reading() as session:
        before = composer(session, "digest", 1).encoded.message(RECIPIENT, b"today")
    with writing() as session:  # whatever templates, or another encoder, would make of it now
        session.execute(text("UPDATE digests SET text = text || ' more', html = html || ' more'"))
    with reading() as session:
        assert composer(session, "digest", 1).encoded.message(RECIPIENT, b"today") == before
    transports.run()
    assert said_to(door, "alice@reader.example") == "You said ship to one. You said skip to two."


# ---- Date ----------------------------------------------------------------------------------------------------


def test_a_letter_that_waited_for_hours_is_dated_when_it_is_claimed_again(door, clock, votes_of):
    door.answer = lambda to, number: judge("rcpt", 450, "4.2.0 busy") if number <= 3 else judge("dot", 250, "ok")
    send(SLOT, clock.now)
    run.address_frozen()
    transports.run()
    first = sent_to(door)["alice@reader.example"]
    clock.forward(hours=5)
    transports.run()
    again = sent_to(door)["alice@reader.example"]
    assert parsedate_to_datetime(again["Date"]) - parsedate_to_datetime(first["Date"]) == timedelta(hours=5)
    assert again["Message-ID"] == first["Message-ID"]


def test_all_letters_of_a_claim_have_its_moment_as_their_date_however_long_they_take(door, clock, votes_of):
    def slow(to: str, number: int) -> Outcome:
        clock.forward(seconds=40)
        return judge("dot", 250, "ok")

    began = clock.now.replace(microsecond=0)
    door.answer = slow
    send(SLOT, clock.now)
    run.address_frozen()
    transports.run()
    assert {parsedate_to_datetime(message["Date"]) for message in sent_to(door).values()} == {began}


# ---- Message-ID ----------------------------------------------------------------------------------------------


def test_no_message_id_counts_the_letters_and_ours_names_its_delivery(door, clock, votes_of):
    send(SLOT, clock.now)
    run.address_frozen()
    transports.run()
    for message in sent_to(door).values():
        local, _, domain = message["Message-ID"].strip("<>").partition("@")
        number = links.delivery_of_message_id(settings().keys, local)
        with reading() as session:
            assert session.scalar(text("SELECT about FROM deliveries WHERE id = :id"), {"id": number}) == 1
        assert domain == "verdicts.example"


def test_a_digest_that_an_older_release_may_have_begun_keeps_its_message_ids(door, clock, votes_of):
    send(SLOT, clock.now)
    with writing() as session:
        session.execute(text("UPDATE digests SET encoded = NULL"))
    run.address_frozen()
    transports.run()
    with reading() as session:
        kept = session.execute(text("SELECT id, created_at FROM deliveries WHERE person = 'subscriber:1'")).one()
    assert sent_to(door)["alice@reader.example"]["Message-ID"].startswith(f"<digest.{kept.id}.17")
