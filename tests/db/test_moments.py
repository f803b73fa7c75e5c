"""All hosts go by the database's time, however wrong their own clocks are and however slowly it answers."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from db import engine, moments
from db.session import reading, round_trip

TRUE = datetime(2026, 11, 17, 8, 0, tzinfo=UTC)
REAL_MEASURE = moments.measure
"""The fixture `house` switches it off for whoever asks `moments`."""

seconds = st.floats(0, 900).map(lambda length: timedelta(seconds=length))
steps = st.one_of(st.just(timedelta(0)), st.timedeltas(timedelta(days=-900), timedelta(days=900)))


class World:
    """A host with a clock that is wrong, and a database whose clock is right; both pass as fast."""

    def __init__(self, patch: pytest.MonkeyPatch, wrong: timedelta) -> None:
        self.passed, self.wrong = timedelta(0), wrong
        patch.setattr(moments, "_skew", timedelta(0))
        patch.setattr(moments, "since_boot", lambda: 4000.0 + self.passed.total_seconds())
        patch.setattr(moments, "datetime", self)

    def now(self, _zone) -> datetime:
        return TRUE + self.passed + self.wrong

    def ask(self, there: timedelta, back: timedelta, step: timedelta) -> datetime:
        """The database's time, after a question that travels so long; the host's clock is set meanwhile."""
        self.passed += there
        told = TRUE + self.passed
        self.passed += back
        self.wrong += step
        return told

    @property
    def error(self) -> timedelta:
        return abs(moments.now() - (TRUE + self.passed))


@given(steps, st.lists(st.tuples(seconds, seconds, steps), min_size=1))
def test_after_each_measurement_the_time_is_wrong_by_the_trip_at_most(wrong, trips):
    """A frozen process reads late, a network is slow, an administrator sets the date: at any moment of the trip."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(patch, wrong)
        for there, back, step in trips:
            before = world.error
            REAL_MEASURE(lambda trip=(there, back, step): world.ask(*trip))
            rounding = timedelta(milliseconds=1)
            assert world.error <= there + back + rounding
            if not step:
                assert world.error <= before + rounding  # an answer that tells little spoils nothing


def test_a_host_ninety_seconds_ahead_goes_by_postgresqls_time(postgresql, monkeypatch):
    monkeypatch.setattr(moments, "measure", REAL_MEASURE)
    monkeypatch.setattr(moments, "_skew", timedelta(0))
    engine._made.clear()
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=90)), reading() as session:
        round_trip(session)
        assert abs(moments.skew() - timedelta(seconds=90)) < timedelta(seconds=2)
    true = datetime.now(UTC)
    with time_machine.travel(true + timedelta(seconds=90)):
        assert abs(moments.now() - true) < timedelta(seconds=2)
