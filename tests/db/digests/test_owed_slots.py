"""The schedule moves on any day, to any day and zone, across both clock changes: none twice, none lost in silence."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from db.digests.owed_slots import OwedSlot, StandingRule, owed, rule_at
from db.digests.schedule import Weekly

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns",
    "Africa/Casablanca", "Pacific/Kiritimati", "Australia/Lord_Howe",
)  # fmt: skip


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)


CLOCK_CHANGES = (
    at(2026, 3, 8, 7), at(2026, 3, 29, 1), at(2026, 4, 4, 14), at(2026, 9, 26, 14), at(2026, 10, 25, 1),
    at(2026, 11, 1, 6), at(2026, 2, 15, 2), at(2026, 3, 22, 2),
)  # fmt: skip
"""New York, Berlin, Auckland (both), Berlin, New York; Casablanca at the beginning and end of Ramadan."""


def weekly(day: int, hour: int = 9, zone: str = "UTC") -> Weekly:
    return Weekly(day, time(hour), ZoneInfo(zone))


MON, TUE, WED, THU, FRI, SAT, SUN = (weekly(day) for day in range(7))
START = at(2026, 10, 1)
WEDNESDAY = at(2026, 11, 18, 12)


def moved(*rules: tuple[Weekly, datetime]) -> list[StandingRule]:
    return [StandingRule(*each) for each in rules]


def told(history: list[StandingRule]) -> list[tuple[str, str, bool]]:
    """Slot, weekday and whether it is held, in the three weeks around that Wednesday."""
    found = owed(history, at(2026, 11, 9), at(2026, 11, 30))
    return [(each.slot, f"{each.due:%a}", bool(each.held)) for each in found]


def test_from_friday_to_monday_on_a_wednesday_this_week_lies_between_and_an_editor_decides():
    history = moved((FRI, START), (MON, WEDNESDAY))
    assert told(history) == [
        ("2026-W46", "Fri", False), ("2026-W47", "Fri", True), ("2026-W48", "Mon", False),
    ]  # fmt: skip
    [between] = [each for each in owed(history, at(2026, 11, 9), at(2026, 11, 18, 13)) if each.held]
    assert between.held == (
        "The schedule moved on Wednesday, 18 November, from every Friday at 09:00 (UTC) to every Monday at 09:00 "
        "(UTC). This week falls between the two. Release the digest to send it at the old hour; if you skip or leave "
        "it, its comparisons go into the next one."
    )


def test_from_monday_to_friday_on_a_wednesday_this_week_has_had_its_letter():
    assert told(moved((MON, START), (FRI, WEDNESDAY))) == [
        ("2026-W46", "Mon", False), ("2026-W47", "Mon", False), ("2026-W48", "Fri", False),
    ]  # fmt: skip


def test_moved_back_within_the_week_everything_is_as_it_was():
    there_and_back = moved((FRI, START), (MON, WEDNESDAY), (FRI, WEDNESDAY + timedelta(hours=5)))
    assert told(there_and_back) == told(moved((FRI, START)))


def test_moved_on_to_a_day_that_is_still_to_come_the_week_is_held_no_longer():
    again = moved((FRI, START), (MON, WEDNESDAY), (SAT, WEDNESDAY + timedelta(days=1)))
    assert ("2026-W47", "Sat", False) in told(again)


def test_a_week_that_comes_after_all_is_held_at_no_time():
    again = moved((FRI, START), (MON, WEDNESDAY), (SAT, WEDNESDAY + timedelta(hours=1)))
    assert not any(each.held for each in owed(again, START, WEDNESDAY + timedelta(hours=2)))


@pytest.mark.parametrize("hour", [8, 10])
def test_another_hour_is_a_change_of_the_same_kind(hour):
    at_half_past_nine_on_tuesday = at(2026, 11, 17, 9, 30)
    history = moved((TUE, START), (weekly(1, hour), at_half_past_nine_on_tuesday))
    assert [slot for slot, _, _ in told(history)] == ["2026-W46", "2026-W47", "2026-W48"]
    assert not any(held for _, _, held in told(history)), "it went at nine"
    at_half_past_eight = at(2026, 11, 17, 8, 30)
    history = moved((TUE, START), (weekly(1, hour), at_half_past_eight))
    assert ("2026-W47", "Tue", hour == 8) in told(history)


def test_a_week_that_went_by_the_old_zone_does_not_go_again_by_the_new_one():
    # Sunday noon in UTC is Monday in Auckland, so that Auckland's Tuesday would be the second letter of its week.
    sunday = at(2026, 11, 15, 12)
    history = moved((weekly(6, 12), START), (weekly(1, 9, "Pacific/Auckland"), sunday + timedelta(minutes=5)))
    assert [each.due for each in owed(history, at(2026, 11, 9), at(2026, 11, 28))] == [sunday, at(2026, 11, 23, 20)]


def test_what_was_due_by_the_old_rule_while_no_clock_ran_stays_owed():
    back_on_saturday = at(2026, 11, 21, 12)
    assert ("2026-W47", "Fri", False) in told(moved((FRI, START), (MON, back_on_saturday)))


def test_a_new_site_owes_nothing_of_before_and_no_week_lies_between():
    assert told(moved((MON, WEDNESDAY))) == [("2026-W48", "Mon", False)]
    assert told(moved((MON, WEDNESDAY), (TUE, WEDNESDAY + timedelta(hours=1)))) == [("2026-W48", "Tue", False)]


def test_a_rule_dated_in_the_future_by_a_clock_that_went_wrong_stands_only_then():
    history = moved((FRI, START), (MON, at(2030, 1, 1)))
    assert rule_at(history, WEDNESDAY) == FRI
    assert told(history) == told(moved((FRI, START)))


# ---- any change ------------------------------------------------------------------------------------------------

rules = st.builds(weekly, st.integers(0, 6), st.integers(0, 23), st.sampled_from(ZONES))
near_a_clock_change = st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from(CLOCK_CHANGES), st.integers(-8 * 24 * 60, 8 * 24 * 60),
)  # fmt: skip
MONTH = timedelta(days=31)


def all_of(history: list[StandingRule]) -> list[OwedSlot]:
    return owed(history, history[0].holds_from, end_of(history))


def end_of(history: list[StandingRule]) -> datetime:
    return history[-1].holds_from + MONTH


def owner(history: list[StandingRule], due: datetime) -> Weekly:
    """The rule under which that was due: the one that stood until then."""
    return [each.rule for each in history if each.holds_from < due][-1]


def check(history: list[StandingRule]) -> None:
    """What holds for any history."""
    found = all_of(history)
    regular = [each for each in found if not each.held]
    slots = [each.slot for each in found]
    assert len(slots) == len(set(slots)), "at most one digest a slot"
    for each in regular:
        rule = owner(history, each.due)
        assert rule.due(each.slot) == each.due, "due by the rule that stood at its time"
        assert rule.slot_of(each.due) == each.slot
        weeks = [rule.slot_of(other.due) for other in regular if other.due <= each.due]
        assert weeks.count(each.slot) == 1, "no two letters in one week, as whoever reads the schedule counts weeks"


def check_nothing_is_lost(history: list[StandingRule]) -> None:
    """Each week of a rule is owed, has had its letter by an earlier rule, or is held."""
    found = all_of(history)
    for standing, end in zip(history, [*(each.holds_from for each in history[1:]), end_of(history)], strict=True):
        for slot in standing.rule.slots(standing.holds_from, end):
            due = standing.rule.due(slot)
            assert any(
                each.due == due or (each.due <= due and slot in (each.slot, standing.rule.slot_of(each.due)))
                for each in found if not each.held
            )  # fmt: skip
    lengths = [later.due - earlier.due for earlier, later in pairwise(found)]
    assert all(length <= timedelta(days=14, hours=26) for length in lengths), "no silent fortnight"


@given(before=rules, after=rules, changed=near_a_clock_change)
@example(before=FRI, after=MON, changed=WEDNESDAY)
@example(before=weekly(6, 2, "Europe/Berlin"), after=weekly(6, 3, "Europe/Berlin"), changed=at(2026, 10, 25, 1))
@example(before=weekly(6, 2, "Europe/Berlin"), after=weekly(6, 3, "Europe/Berlin"), changed=at(2026, 3, 29, 0, 30))
def test_one_change_of_day_hour_and_zone(before, after, changed):
    history = moved((before, changed - MONTH), (after, changed))
    check(history)
    check_nothing_is_lost(history)
    at_the_change = owed(history, changed - MONTH, changed)
    as_before = owed(history[:1], changed - MONTH, changed)
    assert [each for each in at_the_change if not each.held] == as_before, "a change never sends at once"
    assert len(at_the_change) <= len(as_before) + 1
    if before == after:
        assert all_of(history) == owed(history[:1], changed - MONTH, changed + MONTH)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("day", range(7))
def test_every_pair_of_days_changed_on_every_day(day, zone):
    for other in range(7):
        for hours in range(0, 7 * 24, 12):
            changed = at(2026, 10, 22, 3) + timedelta(hours=hours)
            history = moved((weekly(day, 9, zone), START), (weekly(other, 9, zone), changed))
            check(history)
            found = all_of(history)
            weeks = {f"2026-W{week}" for week in range(41, 47)}
            assert weeks <= {each.slot for each in found}, "in one zone each week is owed or held"
            assert sum(bool(each.held) for each in found) <= 1


@given(first=rules, later=st.lists(st.tuples(rules, near_a_clock_change), max_size=5))
def test_any_number_of_changes(first, later):
    changes = sorted(later, key=lambda each: each[1])
    history = moved((first, at(2026, 1, 10)), *changes)
    check(history)


@given(before=rules, after=rules, changed=near_a_clock_change, hours=st.integers(-300, 300), weeks=st.integers(3, 8))
def test_what_is_owed_is_the_same_however_far_one_looks_back(before, after, changed, hours, weeks):
    history = moved((before, changed - 4 * MONTH), (after, changed))
    now = changed + timedelta(hours=hours)
    since = now - timedelta(weeks=weeks)
    assert owed(history, since, now) == [each for each in owed(history, history[0].holds_from, now) if each.due > since]


@given(before=rules, after=rules, changed=near_a_clock_change)
def test_what_was_owed_stays_owed_as_time_goes_on(before, after, changed):
    history = moved((before, changed - MONTH), (after, changed))
    last: list[OwedSlot] = []
    for step in range(0, 16 * 24, 13):
        now = changed - timedelta(days=4) + timedelta(hours=step)
        known = history if now >= changed else history[:1]
        found = owed(known, changed - MONTH, now)
        assert [each for each in last if not each.held] == [each for each in found if each in last and not each.held]
        last = found
