"""What all senders share: connections, rates, and domains that ask for time."""

import threading
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text

from db.deliveries.claiming import claims
from db.deliveries.claiming.claims import Batch, Wait
from db.deliveries.limits import breakers, stops
from db.deliveries.limits.stops import Trip
from db.session import reading, writing
from tests.claiming import NOW, ask, listed, states


def test_claims_count_connections_over_all_senders(digest):
    first = ask(digest, limit=5, connections=2)
    assert isinstance(first, Batch)
    assert isinstance(ask(digest, limit=5, connections=2), Batch)
    assert ask(digest, limit=5, connections=2) == Wait(None)
    with writing() as session:
        claims.release(session, first, NOW)
    assert isinstance(ask(digest, limit=5, connections=2), Batch)


def test_a_rate_is_shared_by_all_senders(digest):
    assert len(ask(digest, rate=2.0).letters) == 4, "two seconds' worth is saved up"
    waits = ask(digest, rate=2.0)
    assert isinstance(waits, Wait)
    assert waits.seconds == pytest.approx(0.5)
    assert len(ask(digest, NOW + timedelta(seconds=1), rate=2.0).letters) == 2
    assert len(ask(digest, NOW + timedelta(seconds=60), rate=2.0).letters) == 4, "no more is saved up than that"


def test_a_domains_rate_puts_its_letters_off_and_keeps_nobody_else_waiting(digest):
    with writing() as session:
        session.execute(text("UPDATE subscribers SET address = 'x' || id || '@slow.example' WHERE id <= 20"))
    first = ask(digest, domain_rates={"slow.example": 2.0})
    assert [letter.address.partition("@")[2] for letter in first.letters].count("slow.example") == 4
    assert len(first.letters) == 4 + 10
    assert states() == {"sending": 14, "deferred": 16}
    with writing() as session:
        claims.release(session, first, NOW)
        session.execute(text("UPDATE deliveries SET state = 'sent' WHERE state = 'pending'"))
    with reading() as session:
        waiting = sorted(each.not_before for each, _ in listed(session, "deferred"))
    assert waiting[0] >= NOW + timedelta(seconds=2)
    assert {(b - a).total_seconds() for a, b in pairwise(waiting)} == {0.5}
    later = ask(digest, waiting[3], domain_rates={"slow.example": 2.0})
    assert len(later.letters) == 4
    assert {letter.tries for letter in later.letters} == {0}, "nobody's tries are used up by waiting"


def test_after_a_pause_a_domains_letters_do_not_come_all_at_once(digest):
    with writing() as session:
        session.execute(text("UPDATE subscribers SET address = 'x' || id || '@slow.example'"))
    first = ask(digest, domain_rates={"slow.example": 2.0})
    with writing() as session:
        claims.release(session, first, NOW)
    tomorrow = ask(digest, NOW + timedelta(days=1), domain_rates={"slow.example": 2.0})
    assert len(tomorrow.letters) == 4


def test_a_domain_that_defers_is_left_alone_by_every_sender(digest):
    with writing() as session:
        session.execute(text("UPDATE subscribers SET address = 'x' || id || '@slow.example' WHERE id <= 20"))
        until = breakers.domain_deferred(session, "slow.example", "451 4.7.1 later", NOW)
    assert timedelta(minutes=6) <= until - NOW <= timedelta(minutes=8)
    batch = ask(digest)
    assert {letter.address.partition("@")[2] for letter in batch.letters} == {"reader.example"}
    assert states() == {"sending": 10, "deferred": 20}


@pytest.mark.parametrize("held", [True, False])
def test_letters_that_wait_for_their_domain_take_nothing_of_the_rate_from_the_others(digest, held):
    with writing() as session:
        session.execute(text("UPDATE subscribers SET address = 'x' || id || '@slow.example' WHERE id <= 20"))
        if held:
            stops.trip(session, digest, Trip("hard", "slow.example", 11, 14), NOW)
        else:
            breakers.domain_deferred(session, "slow.example", "451 4.7.1 later", NOW)
    begun = 0
    for _ in range(20):
        batch = ask(digest, rate=2.0)
        begun += len(batch.letters) if isinstance(batch, Batch) else 0
    assert begun == 4, "two seconds' worth, although twenty letters stood before them"


def test_two_senders_that_meet_the_same_refusal_at_once_count_it_once(database):
    def meet() -> None:
        with writing() as session:
            breakers.refused(session, "smtp://relay.example:25", "421 later", NOW)

    senders = [threading.Thread(target=meet) for _ in range(4)]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    with reading() as session:
        [relay] = breakers.open_breakers(session)
        assert relay.failures == 1
