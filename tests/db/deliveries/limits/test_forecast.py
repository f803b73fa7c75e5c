"""How long a digest takes under SEND_DAILY and SEND_RATE, in a sentence."""

from datetime import timedelta

import pytest

from db.deliveries.limits.daily_counts import Used
from db.deliveries.limits.forecast import Limits, in_words, sentence


@pytest.mark.parametrize(
    ("people", "limits", "says"),
    [
        (1_500, Limits(500, 0), "At SEND_DAILY 500 it takes about three days."),
        (475, Limits(500, 0), ""),
        (476, Limits(500, 0), "At SEND_DAILY 500 it takes about one day."),
        (475, Limits(500, 0, Used(25, 0)), "At SEND_DAILY 500 it takes about one day."),
        (3_000, Limits(500, 0, Used(100, 100)), "At SEND_DAILY 500 it takes about nine days."),
        (50_000, Limits(500, 0), "At SEND_DAILY 500 it takes about 105 days."),
        (3, Limits(1, 0), "At SEND_DAILY 1 it takes about two days."),
        (36_000, Limits(0, 2), "At SEND_RATE 2 it takes about five hours."),
        (100, Limits(0, 2), ""),
        (600, Limits(0, 0.5), "At SEND_RATE 0.5 it takes about 20 minutes."),
        (1_500, Limits(500, 20), "At SEND_DAILY 500 it takes about three days."),
        (1_500, Limits(500, 0.005), "At SEND_RATE 0.005 it takes about four days."),
        (1_000_000, Limits(0, 0), ""),
        (0, Limits(500, 2), ""),
    ],
)
def test_the_limit_that_decides_is_named_with_the_time(people, limits, says):
    assert sentence(people, limits) == says


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(minutes=2), "two minutes"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(hours=2), "two hours"),
        (timedelta(hours=23, minutes=1), "24 hours"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=2), "two days"),
        (timedelta(days=2, seconds=1), "three days"),
    ],
)
def test_a_length_is_rounded_up_to_what_a_person_would_say(length, words):
    assert in_words(length) == words
