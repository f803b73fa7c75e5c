"""An address that does not exist is suppressed at once, and nobody else is."""

import pytest
from sqlalchemy import select, text

from db.addresses import hashes_of
from db.deliveries import deliveries
from db.session import writing
from db.subscribers import subscriptions, suppressions
from db.subscribers.subscribers import Consent
from emails.replies import judge
from tests.bouncing import TAKEN, apart, no_such_user, readers, suppressed
from tests.transports import run, states


def test_an_address_that_does_not_exist_is_suppressed_with_the_settle_and_named_nowhere(door, clock, cast):
    made = readers(clock, [cast.alice, cast.bob])
    door.answer = lambda to, number: (
        judge("rcpt", 550, f"5.1.1 <{cast.bob}> bob unknown here") if to == cast.bob else TAKEN
    )
    run()
    assert states() == {"sent": 1, "failed": 1}
    [one] = suppressed()
    assert one.address_hash == hashes_of(cast.bob)[0]
    assert (one.reason, one.subscriber_id, one.digest_id, one.suspected_at) == ("hard bounce", 2, made, None)
    assert one.note == "550 5.1.1 … … unknown here"


@pytest.mark.once
@pytest.mark.parametrize(
    "outcome",
    [
        judge("rcpt", 552, "5.2.2 mailbox full"),
        judge("rcpt", 450, "4.1.1 user unknown, try again"),
        judge("dot", 554, "5.7.1 message looks like spam"),
        judge("rcpt", 550, "5.7.26 sender not authenticated"),
        judge("dot", 554, "5.6.0 bad content"),
    ],
    ids=lambda each: each.reply,
)
def test_no_other_refusal_suppresses_anybody(door, clock, outcome):
    readers(clock, apart(3))
    door.answer = lambda to, number: outcome if number == 2 else TAKEN
    run()
    assert suppressed() == []


def test_a_confirm_letter_to_a_mistyped_address_suppresses_it_and_a_day_later_a_new_sign_up_reaches_it(door, clock):
    address = new_sign_up(clock)
    door.answer = lambda to, number: no_such_user(to)
    run()
    [one] = suppressed()
    assert (one.address_hash, one.digest_id) == (hashes_of(address)[0], None)
    door.answer = lambda to, number: TAKEN
    owe_confirm(2, clock)
    run()
    assert len(door.sent) == 1, "not while it is fresh"
    clock.forward(days=1, minutes=1)
    owe_confirm(3, clock)
    run()
    assert [to for to, _ in door.sent] == [address, address]


def test_whoever_confirms_has_a_mailbox_and_is_no_longer_suppressed(database, clock, cast):
    with writing() as session:
        suppressions.suppress(session, cast.alice, "hard bounce", clock.now)
        subscriptions.request(session, cast.alice, words="w", words_version="1", locale="en", form_url="/", ip=None,
                              user_agent=None, now=clock.now)  # fmt: skip
        subscriptions.confirm(session, session.scalars(select(Consent.id)).one(), None, clock.now)
    assert suppressed() == []


def new_sign_up(clock) -> str:
    with writing() as session:
        who = "INSERT INTO subscribers (address, address_key, state, created_at) VALUES (:to, :to, 'pending', :now)"
        session.execute(text(who), {"to": "typo@reader.example", "now": "2026-11-17 08:00:00"})
    owe_confirm(1, clock)
    return "typo@reader.example"


def owe_confirm(about: int, clock) -> None:
    with writing() as session:
        deliveries.owe(session, "confirm", about, "subscriber:1", clock.now)
