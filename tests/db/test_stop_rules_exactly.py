"""The thresholds of the stop rules on both sides, in whole numbers: exactly the share passes, one more does not."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import rules

pytestmark = pytest.mark.once
PERCENT = Fraction(1, 100)


@given(letters=st.integers(100, 500), data=st.data())
def test_more_than_five_percent_hard_or_two_percent_content_stop_a_digest(letters, data):
    for kind, most in (("hard", 5 * PERCENT), ("content", 2 * PERCENT)):
        refused = data.draw(
            st.integers(0, letters - 1) | st.sampled_from([int(letters * most), int(letters * most) + 1])
        )
        found = rules.stops(letters, *((refused, 0) if kind == "hard" else (0, refused)), {})
        assert (found == kind) == (refused > letters * most)


@given(letters=st.integers(0, 99), data=st.data())
def test_fewer_than_a_hundred_letters_stop_it_only_if_none_of_twenty_was_taken(letters, data):
    hard = data.draw(st.integers(0, letters) | st.just(letters))
    assert rules.stops(letters, hard, letters - hard, {}) == ("hard" if hard == letters >= 20 else None)


@given(sent=st.integers(0, 5_000_000) | st.integers(0, 5_000).map(lambda each: each * 1000), more=st.integers(-1, 1))
def test_three_complaints_and_more_than_one_in_a_thousand_stop_it(sent, more):
    complaints = max(0, sent // 1000 + more)
    stopped = complaints >= 3 and complaints > Fraction(sent, 1000)
    assert rules.complaints_stop(sent, complaints, {}) == stopped


@given(passed=st.integers(6, 500), of=st.integers(100, 500), letters=st.integers(100, 500), more=st.integers(0, 1))
def test_half_as_much_again_passes_once_somebody_let_it_go_on(passed, of, letters, more):
    passed = min(passed, of)
    most = letters * max(5 * PERCENT, min(Fraction(1, 2), Fraction(3 * passed, 2 * of)))
    hard = int(most) + more
    if hard < letters:
        assert (rules.stops(letters, hard, 0, {"hard": passed / of}) == "hard") == (hard > most)


@given(fates=st.lists(st.sampled_from(["taken"] * 12 + ["hard", "content"]), min_size=1, max_size=700), data=st.data())
def test_a_letter_is_judged_as_at_each_of_those_that_follow_it(fates, data):
    heard = data.draw(st.integers(0, len(fates) - 1))
    expected = None
    for end in range(heard + 1, min(len(fates), heard + 500) + 1):
        last = fates[max(0, end - 500) : end]
        if expected is None and (rule := rules.stops(len(last), last.count("hard"), last.count("content"), {})):
            expected = (rule, last.count(rule), len(last))
    assert rules.stops_among(fates, heard, {}) == expected


@given(hard=st.lists(st.booleans(), min_size=1, max_size=60), released=st.integers(0, 2), data=st.data())
def test_a_domain_is_held_for_eleven_of_twenty_then_for_twenty_and_then_no_more(hard, released, data):
    heard = data.draw(st.integers(0, len(hard) - 1))
    spans = [hard[max(0, end - 20) : end] for end in range(heard + 1, min(len(hard), heard + 20) + 1)]
    needed = (11, 20, 99)[released]
    found = rules.holds_among(hard, heard, released)
    assert (found is not None) == any(sum(each) >= needed for each in spans)
