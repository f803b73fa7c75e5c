"""A digest's content: what is frozen in the database comes back as it was."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from emails import letters
from emails.letters import ComparisonPart, DigestContent, Mover, Quote, Score, ToolPart
from tests.emails.people import FIRST, SITE, WEEK

TEXT = st.text(max_size=12)
NUMBER = st.integers(0, 10**6)
SCORE = st.builds(Score, NUMBER, NUMBER)
QUOTE = st.none() | st.builds(Quote, TEXT, st.sampled_from(["ship", "skip"]), TEXT)
TOOL = st.builds(ToolPart, TEXT, TEXT, TEXT, TEXT, TEXT, SCORE, SCORE, QUOTE, QUOTE)
COMPARISON = st.builds(ComparisonPart, TEXT, TEXT, st.tuples(TOOL, TOOL), NUMBER)
MOMENT = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]))
CONTENT = st.builds(
    DigestContent, TEXT, MOMENT, MOMENT,
    st.lists(COMPARISON, max_size=3).map(tuple), st.lists(st.builds(Mover, TEXT, TEXT, NUMBER, NUMBER)).map(tuple),
    COMPARISON,
) | st.builds(DigestContent, TEXT, MOMENT, MOMENT, st.lists(COMPARISON, max_size=2).map(tuple))  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(CONTENT)
def test_content_survives_the_database(content: DigestContent) -> None:
    assert DigestContent.from_json(json.loads(json.dumps(content.as_json()))) == content


def test_the_same_moment_comes_back_from_a_named_zone() -> None:
    due = datetime(2026, 11, 17, 9, tzinfo=ZoneInfo("Europe/Madrid"))
    content = DigestContent(WEEK.slot, due, WEEK.cutoff, WEEK.comparisons)
    again = DigestContent.from_json(content.as_json())
    assert again.due == due
    assert again.due.hour == 9


STORED = Path(__file__).with_name("stored_digest.json").read_text().rstrip("\n")
"""The week as release 0.1.0 stored it."""


def test_a_digest_that_an_older_release_stored_reads_the_same_to_the_byte() -> None:
    content = DigestContent.from_json(json.loads(STORED))
    assert content == WEEK
    assert letters.digest(content, SITE) == letters.digest(WEEK, SITE)


def test_a_digest_is_stored_as_older_releases_store_it() -> None:
    assert json.dumps(WEEK.as_json()) == STORED


def test_what_is_no_digest_is_refused() -> None:
    broken = json.loads(STORED) | {"comparisons": [{"slug": "alone"}]}
    with pytest.raises(ValidationError, match="question"):
        DigestContent.from_json(broken)


def test_a_comparison_is_headed_by_its_tools() -> None:
    assert FIRST.heading == "Larkspur vs Second Pair"
