"""Who is suppressed after what came back, and who is not."""

from dataclasses import replace

import pytest

from db.addresses import hashes_of
from db.feedback import consequences
from db.feedback.consequences import Heard
from db.session import reading, writing
from db.subscribers import imports, suppressions
from tests.bouncing import OLGA, suppressed
from tests.hearing import BLAMED, FULL, GONE, SPAM, SWITCHED_OFF, all_sent, came_back, hear, reader, sent
from web.actions.subscribers import subscribers as actions
from worker.feedback import refusals

pytestmark = pytest.mark.usefixtures("database")


def why() -> list[str]:
    return [each.reason for each in suppressed()]


def test_an_address_that_does_not_exist_is_suppressed_at_once_and_nobody_else(clock, cast):
    made = all_sent(clock, [cast.alice, cast.bob])
    hear(clock, 2, GONE | {"diagnostic": f"550 5.1.1 <{cast.bob}> bob unknown here"})
    [one] = suppressed()
    assert (one.address_hash, one.reason, one.digest_id) == (hashes_of(cast.bob)[0], "hard bounce", made)
    assert one.note == "550 5.1.1 … … unknown here"
    [row] = came_back("subscriber:2")
    assert (row.delivery_id, row.digest_id, row.kind, row.code, row.status) == (2, made, "hard", 550, "5.1.1")
    assert row.words == one.note


def test_what_is_told_again_changes_nothing_also_after_an_operator_has_lifted_it(clock, cast):
    all_sent(clock, [cast.alice])
    hear(clock, 1, GONE)
    actions.lift(OLGA, hashes_of(cast.alice), clock.now, "she wrote to us", as_admin=False)
    hear(clock, 1, GONE, event=2)
    assert suppressed() == []
    assert len(came_back()) == 1


def test_a_suppressed_address_stays_so_when_it_is_imported_again(clock, cast):
    all_sent(clock, [cast.alice])
    hear(clock, 1, SPAM)
    with writing() as session:
        imports.add_imported(session, {cast.alice: None}, "fair", "f.csv", clock.now)
    assert why() == ["complaint"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("feedback", "reasons"),
    [("abuse", ["complaint"]), ("fraud", ["complaint"]), ("opt-out", ["complaint"]), (None, ["complaint"]),
     ("auth-failure", []), ("not-spam", []), ("virus", [])],
)  # fmt: skip
def test_a_complaint_suppresses_for_ever_and_other_reports_suppress_nobody(clock, cast, feedback, reasons):
    all_sent(clock, [cast.alice])
    hear(clock, 1, SPAM | {"feedback": feedback})
    assert why() == reasons
    assert len(came_back()) == len(reasons)


def test_a_complaint_is_graver_than_a_bounce(clock, cast):
    all_sent(clock, [cast.alice])
    hear(clock, 1, GONE)
    hear(clock, 1, SPAM)
    hear(clock, 1, GONE, event=3)
    assert why() == ["complaint"]
    assert [each.kind for each in came_back()] == ["hard", "complaint"]


@pytest.mark.once
def test_what_is_our_fault_never_counts_against_an_address(clock, cast):
    reader(cast.alice, clock.now)
    for about in range(1, 7):
        hear(clock, sent(clock, about), BLAMED, event=about)
        clock.forward(days=7)
    assert why() == []
    assert {each.kind for each in came_back()} == {"content"}


# ---- full and suspended mailboxes ----------------------------------------------------------------------------


def three_full(clock, days: float) -> None:
    for about in (1, 2, 3):
        hear(clock, sent(clock, about), FULL, event=about)
        clock.forward(days=days)


def test_a_full_mailbox_is_suppressed_after_three_digests_in_a_row_over_fifteen_days(clock, cast):
    reader(cast.alice, clock.now)
    three_full(clock, 8)
    assert why() == ["repeated soft bounce"]


@pytest.mark.once
def test_three_within_two_weeks_are_too_few_and_the_fourth_suppresses(clock, cast):
    reader(cast.alice, clock.now)
    three_full(clock, 7)
    assert why() == []
    hear(clock, sent(clock, 4), FULL, event=4)
    assert why() == ["repeated soft bounce"]


@pytest.mark.once
def test_a_digest_that_arrived_in_between_begins_the_count_anew(clock, cast):
    reader(cast.alice, clock.now)
    for about in (1, 2, 3, 4, 5):
        number = sent(clock, about)
        if about != 3:
            hear(clock, number, FULL, event=about)
        clock.forward(days=8)
    assert why() == []


@pytest.mark.once
def test_what_is_older_than_thirty_five_days_is_stale(clock, cast):
    reader(cast.alice, clock.now)
    three_full(clock, 20)
    assert why() == []


@pytest.mark.once
def test_bounces_of_three_weeks_that_are_read_at_once_count_by_their_letters(clock, cast):
    reader(cast.alice, clock.now)
    numbers = []
    for about in (1, 2, 3):
        numbers.append(sent(clock, about))
        clock.forward(days=8)
    for number in reversed(numbers):
        hear(clock, number, FULL, event=number)
    assert why() == ["repeated soft bounce"]


@pytest.mark.once
def test_the_same_bounce_three_times_is_one(clock, cast):
    reader(cast.alice, clock.now)
    number = sent(clock, 1)
    for event in (1, 2, 3):
        hear(clock, number, FULL, event=event)
        clock.forward(days=8)
    assert why() == []


@pytest.mark.once
def test_only_digests_count_as_soft(clock, cast):
    reader(cast.alice, clock.now)
    for about, letter in ((1, "digest"), (2, "welcome"), (3, "digest")):
        hear(clock, sent(clock, about, letter=letter), FULL, event=about)
        clock.forward(days=8)
    assert why() == []


@pytest.mark.once
def test_a_suspended_mailbox_counts_as_gone_at_the_second_letter(clock, cast):
    reader(cast.alice, clock.now)
    hear(clock, sent(clock, 1), SWITCHED_OFF)
    assert why() == []
    assert came_back()[0].kind == "suspended"
    clock.forward(days=7)
    hear(clock, sent(clock, 2), SWITCHED_OFF | {"kind": "hard"}, event=2)
    assert why() == ["hard bounce"]


@pytest.mark.once
def test_once_lifted_it_takes_as_many_letters_again(clock, cast):
    reader(cast.alice, clock.now)
    three_full(clock, 8)
    actions.lift(OLGA, hashes_of(cast.alice), clock.now, "she has emptied it", as_admin=False)
    hear(clock, sent(clock, 4), FULL, event=4)
    assert why() == []


@pytest.mark.once
def test_a_soft_bounce_does_not_settle_what_is_suspected(clock, cast):
    reader(cast.alice, clock.now)
    hear(clock, sent(clock, 1), GONE)
    with writing() as session:
        suppressions.of_address(session, cast.alice).suspected_at = clock.now
    for about in (2, 3, 4):
        hear(clock, sent(clock, about), SWITCHED_OFF, event=about)
    assert suppressed()[0].suspected_at is not None


# ---- without a letter of ours --------------------------------------------------------------------------------


@pytest.mark.once
def test_what_a_provider_reports_of_an_address_without_a_letter_suppresses_it(clock, cast):
    told = Heard("hard", event=1, delivery=None, person=None, address=cast.charlie, diagnostic="550 5.1.1 gone")
    with writing() as session:
        consequences.apply(session, replace(told, kind="soft"), clock.now, refusals.is_content)
        assert suppressions.of_address(session, cast.charlie) is None
        consequences.apply(session, told, clock.now, refusals.is_content)
    with reading() as session:
        assert suppressions.of_address(session, cast.charlie).reason == "hard bounce"
