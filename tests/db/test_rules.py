"""Waiting times grow with each failure up to their cap, and spread around it so that nobody comes back in step."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from db import rules
from db.deliveries.limits import breakers
from db.session import reading, writing
from tests.claiming import NOW

Wait = Callable[[int, float], timedelta]
MIDDLE = 0.5
TABLE = {
    "a job": (rules.job_backoff, 0.2, [30, 120, 480, 1920, 7680, 21600, 21600]),
    "a letter": (rules.defer_backoff, 0.14, [420, 840, 1680, 3360, 6720, 13440, 14400, 14400]),
    "the relay": (rules.breaker_backoff, 0.2, [5, 10, 20, 40, 80, 160, 300, 300]),
    "the relay's day": (rules.day_backoff, 0.1, [10800, 15120, 21168, 21600, 21600]),
    "a letter put off": (rules.put_off_backoff, 0.2, [60, 120, 240, 480, 960, 1920, 3840, 7680, 14400, 14400]),
}
waits = pytest.mark.parametrize(("wait", "by", "seconds"), TABLE.values(), ids=TABLE)


@waits
def test_it_grows_up_to_its_cap(wait: Wait, by: float, seconds: list[int]):
    found = [wait(turn, MIDDLE).total_seconds() for turn in range(1, len(seconds) + 1)]
    assert found == pytest.approx(seconds)
    assert wait(5000, MIDDLE).total_seconds() == pytest.approx(seconds[-1])


@waits
def test_it_spreads_to_either_side(wait: Wait, by: float, seconds: list[int]):
    for turn, middle in enumerate(seconds, 1):
        assert wait(turn, 0.0).total_seconds() == pytest.approx((1 - by) * middle)
        assert wait(turn, 1.0).total_seconds() == pytest.approx((1 + by) * middle)


def refused(at: datetime) -> timedelta:
    """For how long the relay is left alone when it refuses now."""
    with writing() as session:
        return breakers.refused(session, "smtp://relay.example:25", "421 4.3.2 not now", at).open_until - at


def test_a_relay_that_goes_on_refusing_is_left_alone_for_longer_and_longer(database):
    at, found = NOW, list[float]()
    for _ in range(8):
        found.append(refused(at).total_seconds())
        at += timedelta(seconds=found[-1])
    for seconds, middle in zip(found, TABLE["the relay"][2], strict=True):
        assert 0.8 * middle <= seconds <= 1.2 * middle
    with reading() as session:
        assert not breakers.of_server(session, "smtp://relay.example:25").is_open(at)
    with writing() as session:
        breakers.answered(session, "smtp://relay.example:25")
    assert refused(at) <= timedelta(seconds=1.2 * 5)
