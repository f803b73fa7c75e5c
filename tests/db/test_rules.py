"""Waiting times grow with each failure up to their cap, and spread around it so that nobody comes back in step."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from db import rules
from db.deliveries import breakers
from db.session import reading, writing
from tests.claiming import NOW

Wait = Callable[[int, float], timedelta]
MIDDLE = 0.5
TABLE = {
    "a job": (rules.job_backoff, [30, 120, 480, 1920, 7680, 21600, 21600]),
    "a letter": (rules.defer_backoff, [300, 600, 1200, 2400, 4800, 9600, 14400, 14400]),
    "the relay": (rules.breaker_backoff, [5, 10, 20, 40, 80, 160, 300, 300]),
}
waits = pytest.mark.parametrize(("wait", "seconds"), TABLE.values(), ids=TABLE)


@waits
def test_it_grows_up_to_its_cap(wait: Wait, seconds: list[int]):
    found = [wait(turn, MIDDLE).total_seconds() for turn in range(1, len(seconds) + 1)]
    assert found == pytest.approx(seconds)
    assert wait(5000, MIDDLE).total_seconds() == pytest.approx(seconds[-1])


@waits
def test_it_spreads_by_a_fifth_to_either_side(wait: Wait, seconds: list[int]):
    for turn, middle in enumerate(seconds, 1):
        assert wait(turn, 0.0).total_seconds() == pytest.approx(0.8 * middle)
        assert wait(turn, 1.0).total_seconds() == pytest.approx(1.2 * middle)


def refused(at: datetime) -> timedelta:
    """For how long the relay is left alone when it refuses now."""
    with writing() as session:
        return breakers.refused(session, "smtp://relay.example:25", "421 4.3.2 not now", at).open_until - at


def test_a_relay_that_goes_on_refusing_is_left_alone_for_longer_and_longer(database):
    at, found = NOW, list[float]()
    for _ in range(8):
        found.append(refused(at).total_seconds())
        at += timedelta(seconds=found[-1])
    for seconds, middle in zip(found, TABLE["the relay"][1], strict=True):
        assert 0.8 * middle <= seconds <= 1.2 * middle
    with reading() as session:
        assert breakers.open_breaker(session, "smtp://relay.example:25", at) is None
    with writing() as session:
        breakers.answered(session, "smtp://relay.example:25")
    assert refused(at) <= timedelta(seconds=1.2 * 5)
