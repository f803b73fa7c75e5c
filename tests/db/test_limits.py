"""A token comes back a span after it was taken: no span holds more than the limit, on any host."""

import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from db import limits
from db.limits import Bucket
from db.session import reading, writing
from tests.conftest import START

HOUR = timedelta(hours=1)


def taken(now, most=3, name="192.0.2.1"):
    """Take a token; None, or how long to wait."""
    with writing() as session:
        bucket = limits.lock(session, "network", name, HOUR, now)
        wait = bucket.wait(most, HOUR, now)
        if not wait:
            bucket.take(HOUR, now)
        return wait


@given(st.lists(st.integers(0, 3_000_000_000), max_size=60), st.integers(1, 6))
def test_no_hour_holds_more_than_the_limit_and_the_wait_is_true(pauses, most):
    bucket, now, let = Bucket(key="", taken=[], full_at=START), START, []
    for pause in pauses:
        now += timedelta(microseconds=pause)
        wait = bucket.wait(most, HOUR, now)
        lately = [at for at in let if at > now - HOUR]
        assert (wait is not None) == (len(lately) == most)
        if wait:
            assert timedelta() < wait <= HOUR
            now += wait
            assert bucket.wait(most, HOUR, now) is None
        bucket.take(HOUR, now)
        let.append(now)
        assert len(bucket.taken) <= most


def test_the_tokens_are_those_of_all_hosts(database):
    assert [taken(START) for _ in range(4)] == [None, None, None, HOUR]
    assert taken(START, name="192.0.2.2") is None
    assert taken(START + timedelta(minutes=59)) == timedelta(minutes=1)
    assert taken(START + HOUR) is None


def test_those_who_come_together_share_one_bucket(database):
    found = []
    threads = [threading.Thread(target=lambda: found.append(taken(START))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(None) == 3
    assert len(found) == 12


def test_nothing_stands_there_in_clear(database):
    taken(START)
    with reading() as session:
        [row] = session.scalars(select(Bucket))
    assert len(row.key) == 64
    assert "192.0.2.1" not in repr(vars(row))


@pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(days=400)])
def test_a_clock_set_back_shuts_nobody_out_for_long(database, back):
    for _ in range(3):
        taken(START)
    wait = taken(START - back)
    assert wait is None or wait <= 2 * HOUR


def test_buckets_whose_tokens_are_back_are_forgotten_in_batches(database):
    for number in range(5):
        taken(START, name=f"192.0.2.{number}")
    taken(START + HOUR / 2, name="192.0.2.0")
    with writing() as session:
        assert limits.forget_full(session, START + HOUR - timedelta(seconds=1), 3) == 0
        assert [limits.forget_full(session, START + HOUR, 3) for _ in range(3)] == [3, 1, 0]
        assert len(session.scalars(select(Bucket)).all()) == 1
