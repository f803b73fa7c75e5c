"""A date that is wrong for a minute opens and freezes nothing; a machine that slept catches up after five."""

from datetime import timedelta

import pytest
import time_machine

from db import moments
from db.digests import digests, schedule
from db.session import reading, writing
from tests.worker.digests.test_digests import join
from worker import tasks
from worker.processes import wall_clock
from worker.processes.wall_clock import WallClock

NOW, BOOTED = 1_795_000_000.0, 4_000.0
YEARS = 4 * 365 * 86_400.0


def watched() -> WallClock:
    return WallClock(ahead=NOW - BOOTED)


def test_time_that_passes_is_no_jump_however_long_nobody_asks():
    clock = watched()
    for hours in (0, 1, 24, 24 * 30):
        assert not clock.has_jumped(NOW + hours * 3600, BOOTED + hours * 3600)


@pytest.mark.parametrize("step", [-299, -2, 2, 299])
def test_what_keeps_a_clock_right_is_no_jump(step):
    assert not watched().has_jumped(NOW + 15 + step, BOOTED + 15)


def test_after_a_jump_ahead_nothing_goes_for_five_minutes():
    clock = watched()
    waits = [clock.has_jumped(NOW + YEARS + later, BOOTED + later) for later in (15, 30, 314, 316)]
    assert waits == [True, True, True, False]


def test_set_right_again_it_goes_on_at_once():
    clock = watched()
    assert clock.has_jumped(NOW + YEARS, BOOTED + 15)
    assert not clock.has_jumped(NOW + 30, BOOTED + 30)


def test_a_clock_that_is_set_back_has_nothing_to_wait_for():
    assert not watched().has_jumped(NOW - YEARS, BOOTED + 15)


def test_the_clocks_tick_goes_by_it(catalogue, clock, cast, monkeypatch):
    """The date is wrong by years for a minute, and the week goes when it is due."""
    monkeypatch.setattr(wall_clock, "_here", WallClock(clock.now.timestamp()))
    monkeypatch.setattr(moments, "since_boot", lambda: own)
    own = 0.0
    with writing() as session:
        schedule.started(session, "digest", clock.now - timedelta(days=30))
    join(cast.alice, clock.now)
    right = clock.now
    clock.forward(days=1500)
    own = 15.0
    tasks.tick_unless_jumped()
    with reading() as session:
        assert digests.listed(session) == []
    clock.set(right + timedelta(hours=1, seconds=1))
    own = 3601.0
    tasks.tick_unless_jumped()
    with reading() as session:
        assert digests.get(session, "2026-W47").state == "sending"


def test_with_postgresql_a_wrong_date_of_the_host_is_over_with_its_next_heartbeat(monkeypatch):
    """The database's time counts, so the first measurement ends the wait."""
    monkeypatch.setattr(wall_clock, "_here", None)
    monkeypatch.setattr(moments, "since_boot", lambda: own)
    own = BOOTED
    with time_machine.travel(NOW, tick=False) as date:
        assert not wall_clock.has_jumped()
        own += 15
        date.shift(15 + YEARS)
        assert wall_clock.has_jumped()
        monkeypatch.setattr(moments, "_skew", timedelta(seconds=YEARS))
        assert not wall_clock.has_jumped()


def test_a_host_that_starts_with_a_wrong_clock_has_seen_no_jump(monkeypatch):
    monkeypatch.setattr(wall_clock, "_here", None)
    monkeypatch.setattr(moments, "_skew", timedelta(minutes=-10))
    assert not wall_clock.has_jumped()
    assert not wall_clock.has_jumped()
