"""Clocks that ring and stop at random while somebody moves the schedule at random, and what went out afterwards."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as configured
from hypothesis import strategies as st
from sqlalchemy import text

from db.digests import digests, rule_history, schedule
from db.digests.digests import Digest
from db.digests.owed_slots import StandingRule, owed
from db.session import reading, writing
from db.settings import settings
from tests.conftest import load_catalogue
from tests.worker.digests.test_digests import join
from tests.worker.digests.test_moved_schedule import tick

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns",
    "Africa/Casablanca",
)  # fmt: skip
BEGINNINGS = (datetime(2026, 3, 4, 7, tzinfo=UTC), datetime(2026, 10, 21, 13, tzinfo=UTC))
"""Shortly before the clocks change, in spring and in autumn, in New York, Berlin and Auckland."""

moves = st.tuples(st.sampled_from(DAYS), st.integers(0, 23), st.sampled_from(ZONES))
steps = st.lists(st.tuples(st.integers(1, 70), st.one_of(st.none(), moves)), min_size=6, max_size=10)
"""Hours until the next tick (up to three days of outage), and how the schedule has moved by then, if it has."""


@pytest.fixture
def readers(sqlite, clock, cast) -> None:
    load_catalogue()
    join(cast.alice, BEGINNINGS[0] - timedelta(days=30))


def forget() -> None:
    with writing() as session:
        for table in ("deliveries", "digest_comparisons", "digests", "schedule_rules", "schedules", "heartbeats"):
            session.execute(text(f"DELETE FROM {table}"))


def seen() -> tuple[list[Digest], list[StandingRule]]:
    with reading() as session:
        return digests.listed(session), rule_history.history(session)


@given(begin=st.sampled_from(BEGINNINGS), first=moves, steps=steps)
@configured(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_was_due_goes_once_and_nothing_else_does(readers, clock, begin, first, steps):
    forget()
    clock.set(begin)
    with writing() as session:
        schedule.started(session, "digest", begin)
    rule = first
    tick(clock, f"{rule[0]} {rule[1]:02}:00", rule[2])
    for hours, moved in steps:
        clock.forward(hours=hours)
        gone = {each.slot for each in seen()[0] if each.frozen_at}
        rule = moved or rule
        tick(clock, f"{rule[0]} {rule[1]:02}:00", rule[2])
        found, history = seen()
        for each in (each for each in found if each.frozen_at and each.slot not in gone):
            check_it_was_due(each, history, clock.now)
    check_the_end(*seen(), begin, clock.now)


def check_it_was_due(digest: Digest, history: list[StandingRule], now: datetime) -> None:
    stood = [each for each in history if each.holds_from < digest.due_at][-1]
    assert stood.rule.due(digest.slot) == digest.due_at <= now, "due by the rule that stood at its time"
    assert now - digest.due_at <= settings().digest_lateness


def check_the_end(found: list[Digest], history: list[StandingRule], begin: datetime, now: datetime) -> None:
    plan = owed(history, begin, now)
    rows = {each.slot: each for each in found}
    for each in plan:
        row = rows[each.slot]
        if not each.held:
            assert row.frozen_at, f"{each.slot} was due, ticks came in time, and there was news"
        else:
            assert row.state in ("held", "expired")
            assert str(row.reason).startswith("The schedule moved") or row.state == "expired"
    gone = [each for each in found if each.frozen_at]
    assert {each.slot for each in gone} <= {each.slot for each in plan}
    for each in gone:
        zone = [known.rule for known in history if known.holds_from < each.due_at][-1]
        earlier = [zone.slot_of(other.due_at) for other in gone if other.due_at <= each.due_at]
        assert earlier.count(each.slot) == 1, "no two in one week"
