"""What came back is judged as soon as it can be: before its letter is settled, with what was refused at once, and the
domain first."""

import pytest
from sqlalchemy import text

from db.deliveries.limits import stops
from db.session import reading, writing
from tests.bouncing import OLGA, apart, audited
from tests.hearing import BLAMED, GONE, all_sent, hear
from tests.transports import SLOT, state
from web.actions.digests import digests as actions
from worker.feedback import handling

pytestmark = pytest.mark.usefixtures("database")


def become(now_state: str, numbers, **more) -> None:
    changed = "".join(f", {name} = :{name}" for name in more)
    with writing() as session:
        for number in numbers:
            session.execute(
                text(f"UPDATE deliveries SET state = '{now_state}'{changed} WHERE id = :id"), {"id": number, **more}
            )


def standing() -> list[tuple[str, str | None, int]]:
    with reading() as session:
        return [(each.rule, each.domain, each.refused) for each, _ in stops.standing_stops(session)]


@pytest.mark.parametrize("now_state", ["sending", "unknown", "pending"])
def test_a_bounce_counts_although_its_letter_is_not_settled_yet(clock, now_state):
    all_sent(clock, apart(119))
    become("sending", range(90, 120))
    become(now_state, [94])
    for number in (10, 20, 30, 40, 50):
        hear(clock, number, GONE, event=number)
    assert state() == "sending"
    become("sent", range(100, 120))
    hear(clock, 94, GONE, event=94)
    assert standing() == [("hard", None, 6)]


@pytest.mark.once
def test_what_was_in_hand_when_a_person_let_it_go_on_does_not_stop_it_again(clock):
    all_sent(clock, apart(120))
    for number in range(1, 7):
        hear(clock, number, GONE, event=number)
    become("sending", range(110, 121), claimed_at=f"{clock.now:%Y-%m-%d %H:%M:%S}")
    clock.forward(minutes=5)
    actions.move(OLGA, SLOT, "resume", clock.now, reason="the list is old")
    for number in range(110, 121):
        hear(clock, number, GONE, event=number)
    handling.judge_again()
    assert state() == "sending"


def test_bounces_of_the_first_letters_stop_the_digest_once_a_hundred_are_sent(clock):
    all_sent(clock, apart(130))
    become("pending", range(61, 131))
    for number in range(1, 10):
        hear(clock, number, GONE, event=number)
    become("sent", range(61, 100))
    handling.judge_again()
    assert state() == "sending", "99 are too few"
    become("sent", [100])
    handling.judge_again()
    handling.judge_again()
    assert standing() == [("hard", None, 9)]
    assert audited() == [("worker", "digest.stop", f"digest {SLOT}")]


@pytest.mark.once
def test_a_digest_that_ends_with_its_hundredth_letter_is_judged_too(clock):
    all_sent(clock, apart(100))
    become("pending", range(61, 101))
    for number in range(1, 10):
        hear(clock, number, GONE, event=number)
    become("sent", range(61, 101))
    with writing() as session:
        session.execute(text("UPDATE digests SET state = 'finished', finished_at = :now"),
                        {"now": f"{clock.now:%Y-%m-%d %H:%M:%S}"})  # fmt: skip
    handling.judge_again()
    with reading() as session:
        assert session.scalar(text("SELECT count(*) FROM suppressions WHERE suspected_at IS NOT NULL")) == 9


def refuse_for_content(number: int) -> None:
    become("failed", [number], reason="refused at dot", code=554, reply="554 5.6.0 bad content")


def test_what_is_refused_for_its_content_at_once_counts_with_what_blames_us_later(clock):
    all_sent(clock, apart(120))
    for number in (1, 40):
        refuse_for_content(number)
    become("failed", [60], reason="refused at rcpt", code=552, reply="552 5.2.2 mailbox full")
    assert state() == "sending"
    hear(clock, 80, BLAMED, event=80)
    assert standing() == [("content", None, 3)]


@pytest.mark.once
def test_and_the_other_way_round(clock):
    all_sent(clock, apart(120))
    for number in (1, 40):
        hear(clock, number, BLAMED, event=number)
    refuse_for_content(80)
    handling.judge_again()
    assert standing() == [("content", None, 3)]


# ---- a provider's bad hour -----------------------------------------------------------------------------------


def bad_hour(clock, at_provider: int, elsewhere: int, *others: int) -> list[int]:
    """Every third letter goes to a large provider, and all of those come back, in no order; so do these others."""
    people = [f"r{n}@{'big' if n % 3 == 0 else f'home-{n}'}.example" for n in range(1, at_provider + elsewhere + 1)]
    all_sent(clock, people)
    bounced = [n for n, who in enumerate(people, 1) if who.endswith("@big.example")]
    return [*others, *(each for start in range(7) for each in bounced[start::7])]


def test_a_digest_stopped_by_a_bad_hour_goes_on_once_that_is_known_for_one_domains(clock):
    told = bad_hour(clock, 100, 200, 2)
    seen = []
    for number in told:
        hear(clock, number, GONE, event=number)
        seen.append(state())
    assert "paused" in seen, "one cannot know at the sixth"
    assert state() == "sending"
    assert [each[:2] for each in standing()] == [("hard", "big.example")]
    assert [each[1] for each in audited()] == ["digest.stop", "domain.hold", "digest.resume"]
    handling.judge_again()
    assert state() == "sending"


@pytest.mark.once
def test_it_stays_stopped_if_too_many_others_do_not_exist_either(clock):
    told = bad_hour(clock, 100, 200, *range(1, 40, 3))
    for number in told:
        hear(clock, number, GONE, event=number)
    assert state() == "paused"
    assert {each[:2] for each in standing()} == {("hard", None), ("hard", "big.example")}


@pytest.mark.once
def test_it_stays_stopped_for_what_else_stopped_it(clock):
    told = bad_hour(clock, 100, 200)
    for number in (1, 2, 4, 5, 7, 8, 10, 11, 13):
        hear(clock, number, BLAMED, event=number)
    assert standing()[0][:2] == ("content", None)
    for number in told:
        hear(clock, number, GONE, event=number)
    assert state() == "paused"
