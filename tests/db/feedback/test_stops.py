"""What comes back later stops a digest, or holds a domain, by the rules that its senders follow."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from db.deliveries.limits import stops
from db.session import reading, writing
from db.subscribers import suspected
from tests.bouncing import OLGA, apart, audited, suppressed
from tests.hearing import BLAMED, GONE, SPAM, all_sent, hear
from tests.transports import SLOT, state
from web.actions.digests import digests as actions

pytestmark = pytest.mark.usefixtures("database")


def reason() -> str:
    with reading() as session:
        return "; ".join(stops.in_words(each.rule, each.domain, each.refused, each.letters)
                         for each, _ in stops.standing_stops(session))  # fmt: skip


def test_more_than_five_percent_that_do_not_exist_pause_the_digest_in_whatever_order_they_come(clock):
    all_sent(clock, apart(120))
    numbers = [90, 3, 117, 45, 60, 12, 101]
    for number in numbers[:5]:
        hear(clock, number, GONE, event=number)
    assert state() == "sending"
    for number in numbers[5:]:
        hear(clock, number, GONE, event=number)
    assert state() == "paused"
    assert audited() == [("worker", "digest.stop", f"digest {SLOT}")]
    assert "were refused as addresses that do not exist" in reason()
    assert all(each.suspected_at for each in suppressed()), "suspected until a person confirms"
    hear(clock, 30, GONE, event=30)
    assert all(each.suspected_at for each in suppressed())
    assert len(audited()) == 1


@pytest.mark.once
def test_five_percent_stop_nothing(clock):
    all_sent(clock, apart(120))
    for number in range(20, 120, 20):
        hear(clock, number, GONE, event=number)
    assert (state(), audited()) == ("sending", [])


@pytest.mark.once
def test_what_the_mail_server_refused_at_once_counts_with_what_came_back(clock):
    made = all_sent(clock, apart(120))
    with writing() as session:
        for number in (10, 20, 30, 40):
            session.execute(text("UPDATE deliveries SET state = 'failed' WHERE id = :id"), {"id": number})
            row = {"hash": f"{number}", "digest": made, "id": number, "now": f"{clock.now:%Y-%m-%d %H:%M:%S}"}
            session.execute(
                text("INSERT INTO suppressions (address_hash, reason, at, subscriber_id, digest_id)"
                     " VALUES (:hash, 'hard bounce', :now, :id, :digest)"), row)  # fmt: skip
    for number in (50, 60, 70):
        hear(clock, number, GONE, event=number)
    assert state() == "paused"


@pytest.mark.once
def test_more_than_two_percent_that_blame_us_pause_the_digest_and_suppress_nobody(clock):
    all_sent(clock, apart(120))
    for number in (5, 50, 100):
        hear(clock, number, BLAMED, event=number)
    assert state() == "paused"
    assert "3 of the last 100 letters were refused for what they say or how they say it" in reason()
    assert suppressed() == []


@pytest.mark.once
def test_three_complaints_and_more_than_one_in_a_thousand_pause_the_digest(clock):
    all_sent(clock, apart(30))
    for number in (1, 2):
        hear(clock, number, SPAM, event=number)
    assert state() == "sending"
    hear(clock, 3, SPAM, event=3)
    assert state() == "paused"
    assert reason() == "3 readers of 30 call it spam"


@pytest.mark.once
def test_once_a_person_let_it_go_on_the_same_share_of_complaints_passes(clock):
    all_sent(clock, apart(30))
    for number in (1, 2, 3):
        hear(clock, number, SPAM, event=number)
    clock.forward(minutes=5)
    actions.move(OLGA, SLOT, "resume", clock.now, reason="we know why")
    hear(clock, 4, SPAM, event=4)
    assert state() == "sending"
    hear(clock, 5, SPAM, event=5)
    assert state() == "paused"


@pytest.mark.once
def test_bounces_of_letters_from_before_a_person_let_it_go_on_do_not_stop_it_again(clock):
    all_sent(clock, apart(120))
    for number in range(1, 8):
        hear(clock, number, GONE, event=number)
    assert state() == "paused"
    clock.forward(minutes=5)
    actions.move(OLGA, SLOT, "resume", clock.now, reason="the list is old")
    for number in range(8, 30):
        hear(clock, number, GONE, event=number)
    assert state() == "sending"


def test_a_providers_bad_hour_holds_its_domain_alone_and_what_it_said_is_suspected(clock):
    there = range(25, 301, 25)
    all_sent(clock, [f"r{n}@big.example" if n in there else f"r{n}@home-{n}.example" for n in range(1, 301)])
    for number in there[:10]:
        hear(clock, number, GONE, event=number)
    assert (reason(), state()) == ("", "sending")
    hear(clock, there[10], GONE, event=99)
    assert reason() == "11 of the last 11 letters to big.example were refused as addresses that do not exist"
    assert state() == "sending"
    with reading() as session:
        [group] = suspected.groups(session)
    assert (group.domain, group.number) == ("big.example", 11)
    for number in range(29, 291, 29):  # 21 of 300 in all, but only 10 that are not that domain's fault
        hear(clock, number, GONE, event=number)
    assert state() == "sending"


@pytest.mark.once
def test_a_digest_that_has_ended_is_not_paused_but_its_suppressions_are_suspected(clock):
    all_sent(clock, apart(120), finished=True)
    for number in range(1, 8):
        hear(clock, number, GONE, event=number)
    assert state() == "finished"
    assert [bool(each.suspected_at) for each in suppressed()] == [True] * 7
    for number in (11, 12, 13):
        hear(clock, number, SPAM, event=number)
    assert audited() == [], "nothing is left to stop"


def test_several_workers_read_bounces_of_one_digest_at_a_time_and_it_is_stopped_once(clock):
    all_sent(clock, apart(120))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: hear(clock, number, GONE, event=number), range(1, 25)))
    assert state() == "paused"
    assert len(suppressed()) == 24
    assert all(each.suspected_at for each in suppressed())
    assert audited() == [("worker", "digest.stop", f"digest {SLOT}")]
