"""How values are written where operators read them."""

from datetime import timedelta

import pytest

from db.values import duration

LENGTHS = {
    timedelta(days=-1): "0 s",
    timedelta(seconds=0.9): "0 s",
    timedelta(seconds=119): "119 s",
    timedelta(minutes=2): "2 min",
    timedelta(minutes=59, seconds=59): "59 min",
    timedelta(hours=1): "1 h",
    timedelta(hours=3, minutes=5): "3 h 5 min",
    timedelta(hours=47, minutes=59): "47 h 59 min",
    timedelta(days=2): "2 d",
    timedelta(days=2, minutes=59): "2 d",
    timedelta(days=30, hours=4): "30 d 4 h",
}


@pytest.mark.parametrize(("length", "told"), LENGTHS.items(), ids=LENGTHS.values())
def test_a_length_of_time_is_told_in_at_most_two_units(length, told):
    assert duration(length) == told


def test_nothing_lasts_no_time():
    assert duration(None) == "0 s"
