"""When a digest is due, in a named zone, over the days that have 23 or 25 hours and the year that has 53 weeks."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.digests import schedule
from db.digests.schedule import Weekly
from db.rules import Refused
from db.session import writing

BERLIN = ZoneInfo("Europe/Berlin")
TUESDAYS = Weekly(1, time(9), BERLIN)


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)


def test_nine_in_berlin_is_eight_in_winter_and_seven_in_summer():
    assert TUESDAYS.due("2026-W47") == at(2026, 11, 17, 8)
    assert TUESDAYS.due("2026-W28") == at(2026, 7, 7, 7)


def test_a_time_in_the_spring_gap_shifts_forward():
    assert Weekly(6, time(2, 30), BERLIN).due("2026-W13") == at(2026, 3, 29, 1, 30)  # 03:30 by the new clock


def test_of_a_time_that_comes_twice_the_first_counts():
    assert Weekly(6, time(2, 30), BERLIN).due("2026-W43") == at(2026, 10, 25, 0, 30)


def test_2026_has_a_week_53_and_the_next_year_begins_in_it():
    assert TUESDAYS.due("2026-W53") == at(2026, 12, 29, 8)
    assert TUESDAYS.slot_of(at(2027, 1, 1, 12)) == "2026-W53"
    assert TUESDAYS.slots(at(2026, 12, 22, 9), at(2027, 1, 6)) == ["2026-W53", "2027-W01"]


def test_the_slot_is_the_week_in_the_newsletters_zone():
    auckland = Weekly(0, time(0, 30), ZoneInfo("Pacific/Auckland"))
    assert auckland.slot_of(auckland.due("2026-W47")) == "2026-W47"
    assert auckland.due("2026-W47") == at(2026, 11, 15, 11, 30)  # still Sunday in UTC


@pytest.mark.parametrize("slot", ["2026-47", "2026-W54", "2027-W53", "2026-W00", "W47", "2026-W47 ", ""])
def test_what_is_no_iso_week_is_refused(slot):
    with pytest.raises(Refused, match="write an ISO week"):
        schedule.read_slot(slot)


@given(
    weekday=st.integers(0, 6),
    hour=st.integers(0, 23),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu", "UTC"]),
    start=st.integers(0, 2000),
    weeks=st.integers(1, 60),
)
def test_every_week_has_one_slot_and_no_slot_comes_twice(weekday, hour, zone, start, weeks):
    rule = Weekly(weekday, time(hour), ZoneInfo(zone))
    after = at(2024, 1, 1, 5) + timedelta(days=start, minutes=start)
    found = rule.slots(after, after + timedelta(weeks=weeks))
    assert len(found) == len(set(found))
    assert abs(len(found) - weeks) <= 1
    dues = [rule.due(slot) for slot in found]
    assert dues == sorted(dues)
    assert all(rule.slot_of(due) == slot for due, slot in zip(dues, found, strict=True))
    steps = [later - earlier for earlier, later in pairwise(dues)]
    assert all(timedelta(days=6, hours=22) <= step <= timedelta(days=7, hours=2) for step in steps)


def test_a_schedule_remembers_when_it_was_first_seen_at_work(database):
    for moment in (at(2026, 11, 1), at(2026, 11, 8)):
        with writing() as session:
            assert schedule.started(session, "digest", moment) == at(2026, 11, 1)


NINE = Weekly(1, time(9), ZoneInfo("UTC"))


def test_each_reader_is_due_when_the_hour_strikes_in_their_own_zone():
    frozen = at(2026, 11, 17, 9, 0)
    assert NINE.strikes("Europe/Berlin", frozen) == at(2026, 11, 18, 8), "it struck an hour ago: tomorrow"
    assert NINE.strikes("America/New_York", frozen) == at(2026, 11, 17, 14)
    assert NINE.strikes("Pacific/Auckland", frozen) == at(2026, 11, 17, 20)


def test_a_freeze_that_comes_a_little_after_its_own_hour_does_not_wait_a_day():
    frozen = at(2026, 11, 17, 9, 3)
    assert NINE.strikes("UTC", frozen) == frozen
    assert NINE.strikes("no/zone", frozen) == frozen


def test_local_hours_are_right_over_both_clock_changes():
    sunday = Weekly(6, time(2, 30), ZoneInfo("UTC"))
    spring, autumn = at(2026, 3, 28, 12), at(2026, 10, 24, 12)
    assert sunday.strikes("Europe/Berlin", spring) == at(2026, 3, 29, 1, 30), (
        "02:30 does not exist: 03:30 by the new clock"
    )
    assert sunday.strikes("Europe/Berlin", autumn) == at(2026, 10, 25, 0, 30), "02:30 comes twice: the first"
    nine = Weekly(6, time(9), ZoneInfo("UTC"))
    assert nine.strikes("Europe/Berlin", spring) == at(2026, 3, 29, 7)
    assert nine.strikes("Europe/Berlin", autumn) == at(2026, 10, 25, 8)


@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu", "Pacific/Apia"]),
    hour=st.integers(4, 23),
    minutes=st.integers(0, 60 * 24 * 365),
)
def test_nobody_waits_longer_than_a_day_of_25_hours(zone, hour, minutes):
    frozen = at(2026, 1, 1) + timedelta(minutes=minutes)
    strikes = Weekly(1, time(hour), ZoneInfo("UTC")).strikes(zone, frozen)
    assert frozen <= strikes <= frozen + timedelta(hours=24)
