"""A window lets so many through and no more, however it is asked, and holds no more than it has room for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import TooManyRequests

from web import limits
from web.limits import SlidingWindow

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 45)), max_size=120)
"""Who asks, and how many seconds after the one before."""


@given(STEPS, st.integers(1, 5), st.integers(1, 4))
def test_no_key_is_let_through_more_often_in_any_minute(steps, most, keys):
    window, now, let = SlidingWindow(most, 60, keys), 0.0, {}
    for key, pause in steps:
        now += pause
        wait = window.take(key, now)
        mine = [at for at in let.get(key, []) if at + 60 > now]
        if not wait:
            let.setdefault(key, []).append(now)
            assert len(mine) < most
        elif len(mine) < most:
            assert len({each for each, times in let.items() if times[-1] + 60 > now}) >= keys, "refused without reason"
        assert 0 <= wait < 60.000001
        assert len(window._times) <= keys


@given(STEPS, st.integers(1, 70), st.integers(1, 4), st.data())
def test_all_processes_together_keep_the_limit(steps, most, processes, data):
    part = max(1, most // processes)
    windows, now, let = [SlidingWindow(part, 60) for _ in range(processes)], 0.0, []
    for _, pause in steps:
        now += pause / 45
        if not data.draw(st.sampled_from(windows)).take("a", now):
            let.append(now)
            assert len([at for at in let if at + 60 > now]) <= max(most, processes)


@given(STEPS)
def test_whoever_waits_as_told_is_let_through(steps):
    window, now = SlidingWindow(2, 60), 0.0
    for key, pause in steps:
        now += pause
        wait = window.take(key, now)
        if wait:
            now += wait + 1e-6
            assert window.take(key, now) == 0


def test_a_million_networks_take_no_more_room_and_free_nobody_of_a_count():
    window = SlidingWindow(2, 60, 1000)
    assert [bool(window.take("me", 0)) for _ in range(3)] == [False, False, True]
    let = sum(not window.take(f"2001:db8:{each:x}::/64", each / 1e6) for each in range(100_000))
    assert let == 999
    assert window.take("me", 1)
    assert len(window._times) == 1000
    assert [bool(window.take("me", 61)) for _ in range(3)] == [False, False, True]
    for each in range(1000):
        window.take("one", 62 + each)
    assert len(window._times) < 10, "what is over is forgotten"


def test_a_clock_set_back_shuts_nobody_out():
    window = SlidingWindow(1, 60)
    assert not window.take("a", 1_000_000)
    assert window.take("a", 999_999.5), "two threads read the clock one after the other"
    assert not window.take("a", 5000)
    assert 0 < window.take("a", 5000) <= 60


def test_no_limit_remembers_nobody():
    window = SlidingWindow(0, 60)
    assert not any(window.take("a", 0) for _ in range(10_000))
    assert not window._times


@pytest.mark.parametrize(
    ("wait", "header", "words"),
    [(0.2, 1, "1 second"), (41.01, 42, "42 seconds"), (60.00000001, 60, "60 seconds"), (1801, 1801, "31 minutes")],
)
def test_the_wait_is_told_in_the_header_and_in_words(wait, header, words):
    with pytest.raises(TooManyRequests) as refused:
        limits.refuse(wait, "Again in {wait}.")
    assert (refused.value.retry_after, refused.value.description) == (header, f"Again in {words}.")


# ---- the share of one process ----------------------------------------------------------------------------------


def test_a_process_knows_how_many_it_shares_with(monkeypatch):
    assert limits.web_processes() == 1
    monkeypatch.setattr(limits, "_served_by", None)
    limits.served_by(4, 5)
    assert limits.web_processes() == 4


def test_parts_are_rounded_down_and_never_nothing():
    assert [limits.share(60, processes) for processes in (1, 2, 7, 61)] == [60, 30, 8, 1]
    assert limits.share(0, 2) == 0, "no limit stays none"
