"""A provider's bad hour: who is suppressed at once, what stops, and who is only suspected until a person decides."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from db.addresses import hashes_of
from db.deliveries import deliveries, stops
from db.deliveries.exceptions import DeliveryFilter
from db.operators.audit import Actor, AuditEntry
from db.operators.operators import Operator
from db.rules import Refused
from db.session import reading, writing
from db.subscribers import subscriptions, suppressions, suspected
from db.subscribers.subscribers import Consent
from db.subscribers.suppressions import Suppression
from emails.replies import Outcome, judge
from tests.transports import SLOT, digest, rows, run, state, states
from web.actions import deliveries as letters
from web.actions import digests as actions
from web.actions import held_domains
from worker.alerts import watch

OLGA = Actor("olga@newsroom.example")
TAKEN = judge("dot", 250, "2.0.0 taken")


def readers(clock, addresses: list[str]) -> int:
    """A digest that is being sent to these people."""
    made = digest(clock, len(addresses))
    with writing() as session:
        for number, address in enumerate(addresses, 1):
            session.execute(text("UPDATE subscribers SET address = :it, address_key = :it WHERE id = :id"),
                            {"it": address, "id": number})  # fmt: skip
    return made


def apart(count: int) -> list[str]:
    """People who have a domain each."""
    return [f"reader-{number}@home-{number}.example" for number in range(count)]


def no_such_user(to: str) -> Outcome:
    return judge("rcpt", 550, f"5.1.1 <{to}>: Recipient address rejected: User unknown")


def unknown_are(*gone: str):
    """A mail server that knows no address with one of these endings."""
    return lambda to, number: no_such_user(to) if to.endswith(gone) else TAKEN


def suppressed() -> list[Suppression]:
    with reading() as session:
        return list(session.scalars(select(Suppression).order_by(Suppression.at, Suppression.subscriber_id)))


def audited() -> list[tuple[str, str, str | None]]:
    with reading() as session:
        return [(each.actor, each.action, each.about) for each in session.scalars(select(AuditEntry))]


# ---- hard: suppressed at once ---------------------------------------------------------------------------------


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


# ---- a domain ---------------------------------------------------------------------------------------------------


def bad_hour(clock) -> list[str]:
    """Forty people at big.example among sixty at domains of their own."""
    return [each for at in range(20) for each in
            (f"a-{at}@big.example", *apart(60)[3 * at : 3 * at + 3], f"b-{at}@big.example")]  # fmt: skip


def test_a_domain_that_knows_nobody_is_held_and_everybody_else_gets_the_letter(door, clock):
    made = readers(clock, bad_hour(clock))
    door.answer = unknown_are("@big.example")
    run()
    assert states() == {"sent": 60, "failed": 11, "deferred": 29}
    assert state() == "sending"
    assert {each.reason for each in rows("deferred")} == {"its domain is held"}
    assert len(suppressed()) == 11
    assert all(each.suspected_at and each.digest_id == made for each in suppressed())
    assert audited() == [("sender", "domain.hold", "domain big.example")]


def test_letters_to_a_held_domain_wait_for_days_and_none_is_given_up(door, clock):
    readers(clock, bad_hour(clock))
    door.answer = unknown_are("@big.example")
    run()
    for _ in range(5):
        clock.forward(days=1)
        run()
    assert states() == {"sent": 60, "failed": 11, "deferred": 29}


def test_released_with_a_reason_they_all_go_out_and_the_lifted_ones_after_a_retry(door, clock):
    readers(clock, bad_hour(clock))
    door.answer = unknown_are("@big.example")
    run()
    clock.forward(days=3)
    door.answer = lambda to, number: TAKEN
    with pytest.raises(Refused, match="Give a reason"):
        held_domains.release(OLGA, "big.example", " ", clock.now)
    assert held_domains.release(OLGA, "Big.example", "their bad hour is over", clock.now) == 29
    run()
    assert states() == {"sent": 89, "failed": 11}
    assert ("olga@newsroom.example", "domain.release", "domain big.example") in audited()
    with pytest.raises(Refused, match=r"No letters to big\.example are held"):
        held_domains.release(OLGA, "big.example", "again", clock.now)
    with writing() as session:
        suspected.lift(session, suspected.take(session, None, "big.example", 100))
    assert letters.retry(OLGA, SLOT, clock.now, DeliveryFilter(("failed",), 550)) == 11
    run()
    assert states() == {"sent": 100}
    assert state() == "finished"


def test_released_too_early_it_is_held_again_once_twenty_in_a_row_are_refused(door, clock):
    readers(clock, [f"a-{at}@big.example" for at in range(60)])
    door.answer = unknown_are("@big.example")
    run()
    assert states() == {"failed": 11, "deferred": 49}
    held_domains.release(OLGA, "big.example", "it looks fine", clock.now)
    run()
    assert states() == {"failed": 31, "deferred": 29}
    held_domains.release(OLGA, "big.example", "the company is gone, I know", clock.now)
    run()
    assert states() == {"failed": 60}, "whoever released it twice has said so"


def test_what_somebody_has_confirmed_no_later_stop_makes_suspected_again(door, clock):
    readers(clock, [f"a-{at}@big.example" for at in range(60)])
    door.answer = unknown_are("@big.example")
    run()
    with writing() as session:
        suspected.confirm(suspected.take(session, None, "big.example", 100))
    held_domains.release(OLGA, "big.example", "they moved away", clock.now)
    run()
    assert states() == {"failed": 31, "deferred": 29}
    assert sum(each.suspected_at is not None for each in suppressed()) == 20


def hold(made: int, clock) -> None:
    """Hold big.example, as a sender does."""
    with writing() as session:
        assert stops.trip(session, made, stops.Trip("hard", "big.example", 11, 14), clock.now) == 0


def test_single_letters_to_a_held_domain_wait_as_well_and_expire_no_more_than_others(door, clock):
    made = readers(clock, ["x@big.example", "y@home.example"])
    run()
    with writing() as session:
        for number in (1, 2):
            deliveries.owe(session, "welcome", 1, f"subscriber:{number}", clock.now)
    door.answer = lambda to, number: judge("rcpt", 451, "4.3.0 not now")
    run()
    hold(made, clock)
    door.answer = lambda to, number: TAKEN
    for _ in range(3):
        clock.forward(hours=20)
        run()
    assert [to for to, _ in door.sent[4:]] == ["y@home.example"], "tried once, and held since"
    held_domains.release(OLGA, "big.example", "it is over", clock.now)
    run()
    assert [to for to, _ in door.sent[5:]] == ["x@big.example"]


def test_an_alert_goes_to_a_held_domain_all_the_same(door, clock):
    made = readers(clock, ["y@home.example"])
    hold(made, clock)
    with writing() as session:
        session.add(Operator(address="olga@big.example", address_key="olga@big.example", role="operator",
                             created_at=clock.now))  # fmt: skip
    watch()
    run()
    assert "olga@big.example" in [to for to, _ in door.sent]


def test_a_held_domain_is_not_counted_against_the_whole_digest(door, clock):
    others = apart(150)
    readers(clock, [each for at in range(50) for each in (f"a-{at}@big.example", *others[3 * at : 3 * at + 3])])
    door.answer = unknown_are("@big.example")
    run()
    assert states() == {"sent": 150, "failed": 11, "deferred": 39}, "although 11 of the first 100 were refused"
    assert state() == "sending"


def test_a_domain_that_takes_half_of_its_letters_is_not_held(door, clock):
    readers(clock, [f"reader-{at}@big.example" for at in range(60)])
    refused = {f"reader-{at}@big.example" for at in range(0, 60, 2)}
    door.answer = lambda to, number: no_such_user(to) if to in refused else TAKEN
    run()
    assert states() == {"sent": 30, "failed": 30}
    with reading() as session:
        assert suspected.groups(session) == []


# ---- everybody ----------------------------------------------------------------------------------------------------


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
