"""Who may be asked next: few requests to one receiver at once, and slow receivers take no place of the others."""

import time

import pytest

from db.jobs.jobs import Job
from worker.outside.places import MOST, PLACES, SLOW_PLACES, SLOW_SECONDS, Places


@pytest.fixture
def pass_seconds(monkeypatch):
    """Move the monotonic clock, which stands still meanwhile."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


@pytest.fixture
def places(pass_seconds) -> Places:
    return Places()


def job(number: int, receiver: str) -> Job:
    return Job(id=number, receiver=receiver)


def test_a_receiver_with_two_requests_gets_no_third(places):
    places.take(job(1, "one"))
    assert places.busy() == set()
    places.take(job(2, "one"))
    assert places.busy() == {"one"}
    places.leave(job(1, "one"))
    assert places.busy() == set()


def test_quick_places_come_to_an_end(places):
    for number in range(PLACES):
        assert places.are_free()
        places.take(job(number, f"receiver {number}"))
    assert not places.are_free()


def test_requests_that_last_give_their_places_back_up_to_a_limit(places, pass_seconds):
    for number in range(MOST):
        if number == PLACES:
            assert not places.are_free()
            pass_seconds(SLOW_SECONDS + 1)
        assert places.are_free()
        places.take(job(number, f"receiver {number}"))
    pass_seconds(SLOW_SECONDS + 1)
    assert not places.are_free()


def test_a_slow_receiver_gets_one_request_at_a_time_until_it_answers_soon(places, pass_seconds):
    places.take(job(1, "slow"))
    pass_seconds(SLOW_SECONDS + 1)
    places.leave(job(1, "slow"))
    places.take(job(2, "slow"))
    assert places.busy() == {"slow"}
    places.leave(job(2, "slow"))
    places.take(job(3, "slow"))
    assert places.busy() == set()


def test_all_slow_receivers_together_get_few_requests(places, pass_seconds):
    names = [f"slow {number}" for number in range(PLACES)]
    for number, name in enumerate(names):
        places.take(job(number, name))
    pass_seconds(SLOW_SECONDS + 1)
    for number, name in enumerate(names):
        places.leave(job(number, name))
    for number, name in enumerate(names[:SLOW_PLACES]):
        assert name not in places.busy()
        places.take(job(number, name))
    assert set(names) <= places.busy()
    assert places.are_free()
    assert "another" not in places.busy()


def test_whoever_waits_for_the_end_is_told_when_it_came(places):
    assert places.wait_until_empty(0)
    places.take(job(1, "one"))
    assert not places.wait_until_empty(0)
    assert places.jobs() == [1]
