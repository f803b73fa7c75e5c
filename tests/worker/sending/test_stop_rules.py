"""A digest stops by itself when too many addresses do not exist, and goes on when a person says why."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from db.deliveries import deliveries
from db.deliveries.limits import stops
from db.digests import digests
from db.rules import Refused
from db.session import reading, writing
from db.subscribers import subscriptions, suppressions
from emails.replies import judge
from tests.bouncing import OLGA, TAKEN, apart, audited, no_such_user, readers, suppressed
from tests.transports import SLOT, digest, run, state, states
from web.actions.digests import digests as actions


def gone_every(number: int, people: list[str]):
    gone = set(people[::number])
    return lambda to, _: no_such_user(to) if to in gone else TAKEN


def test_more_than_five_percent_of_the_last_letters_pause_the_digest_and_all_its_suppressions_are_suspected(
    door, clock
):
    people = apart(400)
    readers(clock, people)
    door.answer = gone_every(16, people)  # 6.25 %
    run()
    assert state() == "paused"
    assert states()["failed"] <= 8
    assert states()["pending"] > 280
    assert all(each.suspected_at for each in suppressed())
    with reading() as session:
        [(stop, found)] = stops.standing_stops(session)
        of = f"{stop.refused} of the last {stop.letters} letters"
        assert found.reason == f"stopped: {of} were refused as addresses that do not exist"
    assert audited() == [("sender", "digest.stop", f"digest {SLOT}")]


def test_four_percent_stop_nothing_and_stay_suppressed(door, clock):
    people = apart(400)
    readers(clock, people)
    door.answer = gone_every(25, people)
    run()
    assert states() == {"sent": 384, "failed": 16}
    assert state() == "finished"
    assert [each.suspected_at for each in suppressed()] == [None] * 16


def test_a_stopped_digest_goes_on_only_with_a_reason_and_the_same_share_does_not_stop_it_again(door, clock):
    people = apart(600)
    readers(clock, people)
    door.answer = gone_every(16, people)
    run()
    assert state() == "paused"
    with pytest.raises(Refused, match=f"verdicts digest resume {SLOT} --reason WHY"):
        actions.move(OLGA, SLOT, "resume", clock.now)
    assert state() == "paused"
    clock.forward(minutes=1)
    actions.move(OLGA, SLOT, "resume", clock.now, reason="the list is old, I know")
    run()
    assert states()["sent"] == 600 - states()["failed"]
    assert state() == "finished"


def test_a_relay_that_knows_nobody_stops_after_twenty_letters_and_after_a_resume_again(door, clock):
    readers(clock, apart(80))
    door.answer = lambda to, number: no_such_user(to)
    run()
    assert (states()["failed"], state()) == (20, "paused")
    clock.forward(minutes=1)
    actions.move(OLGA, SLOT, "resume", clock.now, reason="it is mended, they say")
    run()
    assert (states()["failed"], state()) == (40, "paused")
    assert all(each.suspected_at for each in suppressed())


def test_refusals_for_their_content_pause_it_and_suppress_nobody(door, clock):
    people = apart(300)
    readers(clock, people)
    refused = set(people[::40])  # 2.5 %
    door.answer = lambda to, number: judge("dot", 554, "5.6.0 message content rejected") if to in refused else TAKEN
    run()
    assert state() == "paused"
    with reading() as session:
        [(stop, found)] = stops.standing_stops(session)
        assert stop.rule == "content"
        assert "for what they say" in (found.reason or "")
    assert suppressed() == []


def test_a_cancelled_digest_is_stopped_no_more(door, clock):
    readers(clock, apart(40))
    door.answer = lambda to, number: no_such_user(to)
    run()
    actions.cancel(OLGA, SLOT, clock.now, reason="wrong relay")
    with reading() as session:
        assert stops.standing_stops(session) == []


def test_several_connections_stop_as_one(door, clock, setting):
    setting(SEND_CONNECTIONS=4, SEND_WINDOW=4)
    readers(clock, apart(300))
    door.answer = lambda to, number: no_such_user(to)
    run()
    assert state() == "paused"
    assert 20 <= states()["failed"] <= 20 + 4 * 4
    assert {bool(each.suspected_at) for each in suppressed()} == {True}, "those that were under way are suspected too"
    assert len(audited()) == 1


def test_a_sender_that_stopped_the_digest_sends_on_when_only_a_domain_is_held_in_its_place(door, clock):
    readers(clock, apart(60))
    door.answer = lambda to, number: no_such_user(to) if number <= 20 else TAKEN
    run()
    assert state() == "paused"
    with writing() as session:
        stops.narrow(session, OLGA, digests.get(session, SLOT), "big.example", clock.now)
    run()
    assert (states()["sent"], state()) == (40, "finished")
    with reading() as session:
        assert session.scalar(text("SELECT count(DISTINCT claim) FROM deliveries WHERE state = 'sent'")) < 10


def test_people_erased_meanwhile_are_not_found_by_their_digest(door, clock, cast):
    readers(clock, [cast.alice, cast.bob])
    door.answer = lambda to, number: no_such_user(to)
    run()
    with writing() as session:
        subscriptions.erase(session, 1, clock.now)
    erased = next(each for each in suppressed() if each.reason == "erased")
    assert (erased.digest_id, erased.subscriber_id, erased.note, erased.suspected_at) == (None, None, None, None)


def test_who_is_suppressed_by_hand_meanwhile_is_suspected_no_more(door, clock):
    people = apart(40)
    readers(clock, people)
    door.answer = lambda to, number: no_such_user(to)
    run()
    with writing() as session:
        suppressions.suppress(session, people[0], "by hand", clock.now + timedelta(seconds=1))
    assert sum(each.suspected_at is None for each in suppressed()) == 1


def test_the_last_letters_of_a_digest_stop_it_all_the_same(door, clock):
    readers(clock, apart(20))
    door.answer = lambda to, number: no_such_user(to)
    run()
    assert state() == "paused"
    assert all(each.suspected_at for each in suppressed())


def test_what_trips_when_the_digest_is_over_only_makes_its_suppressions_suspected(database, clock):
    made = digest(clock, 2)
    with writing() as session:
        session.execute(text("UPDATE digests SET state = 'finished'"))
        suppressions.suppress(session, "reader-1@reader.example", "hard bounce", clock.now).digest_id = made
        session.flush()
        assert stops.trip(session, made, stops.Trip("hard", None, 20, 20), clock.now) == 1
        assert stops.standing_stops(session) == []


def test_strangers_who_sign_up_with_made_up_addresses_hold_no_domain(door, clock):
    with writing() as session:
        for number in range(1, 31):
            who = "INSERT INTO subscribers (address, address_key, state, created_at) VALUES (:to, :to, 'pending', :now)"
            session.execute(text(who), {"to": f"made-up-{number}@big.example", "now": "2026-11-17 08:00:00"})
            deliveries.owe(session, "confirm", number, f"subscriber:{number}", clock.now)
    door.answer = lambda to, number: no_such_user(to)
    run()
    assert len(suppressed()) == 30
    with reading() as session:
        assert stops.standing_stops(session) == []
