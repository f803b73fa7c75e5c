"""A provider's bad hour: its domain is held, and its addresses are only suspected until a person decides."""

import pytest

from db.deliveries import deliveries
from db.deliveries.exceptions import DeliveryFilter
from db.deliveries.limits import stops
from db.operators.operators import Operator
from db.rules import Refused
from db.session import reading, writing
from db.subscribers import suspected
from emails.replies import judge
from tests.bouncing import OLGA, TAKEN, apart, audited, no_such_user, readers, suppressed, unknown_are
from tests.transports import SLOT, rows, run, state, states
from web.actions.digests import deliveries as letters
from web.actions.digests import held_domains
from worker.alerts.alerts import watch


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
