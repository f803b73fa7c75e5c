"""Figures read the same by eye and by ear."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.readers.scores import community_bar, number, panel_bar, trend_line


@pytest.mark.parametrize(
    ("ship", "skip", "words"),
    [
        (3, 1, "Three of four reviewers say ship, one says skip"),
        (1, 1, "One of two reviewers says ship, one says skip"),
        (4, 0, "All four reviewers say ship"),
        (0, 2, "All two reviewers say skip"),
        (1, 0, "The only reviewer says ship"),
        (0, 1, "The only reviewer says skip"),
    ],
)
def test_a_panel_says_in_words_what_its_bar_shows(ship, skip, words):
    bar = panel_bar(ship, skip)
    assert bar.words == words
    assert [part.says for part in bar.parts] == ["ship"] * ship + ["skip"] * skip


def test_without_a_review_or_a_vote_there_is_no_bar():
    assert panel_bar(0, 0) is None
    assert community_bar(0, 0) is None


def test_a_part_that_is_nothing_is_dropped_with_its_gap():
    assert [(part.says, part.x, part.width) for part in community_bar(5, 0).parts] == [("ship", "0.0%", "100.0%")]
    assert [part.says for part in community_bar(0, 5).parts] == ["skip"]


def test_community_bar_says_votes_with_commas():
    assert community_bar(1500, 500).words == "75% of 2,000 votes say ship"
    assert community_bar(1, 0).words == "100% of 1 vote says ship"


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_every_bar_stays_inside_its_width(ship, skip):
    bar = community_bar(ship, skip)
    for part in bar.parts if bar else ():
        assert float(part.width[:-1]) > 0
        assert float(part.x[:-1]) + float(part.width[:-1]) <= 100.05


def test_a_large_panel_is_drawn_as_one_length():
    assert len(panel_bar(20, 5).parts) == 2


def weeks(*values):
    return values


def test_no_line_before_two_weeks_have_a_figure():
    assert trend_line(weeks(None, None)) is None
    assert trend_line(weeks(None, 40)) is None


def test_the_trend_tells_its_course():
    assert trend_line(weeks(None, 51, 47, 60, 68)).words == (
        "Community ship rose from 51% to 68% over four weeks, with a low of 47%"
    )
    assert trend_line(weeks(40, 90, 40)).words == (
        "Community ship started and ended at 40% over three weeks, with a high of 90%"
    )


@given(st.lists(st.none() | st.integers(0, 100), min_size=2, max_size=12))
def test_the_line_stays_inside_its_field(values):
    line = trend_line(values)
    if line:
        for point in line.path[1:].split(" L"):
            x, y = map(float, point.split())
            assert 0 <= x <= 120
            assert 0 <= y <= 48


def test_counts_are_words_up_to_twelve():
    assert [number(n) for n in (1, 12, 13, 1234)] == ["one", "twelve", "13", "1,234"]
