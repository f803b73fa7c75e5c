"""Words as readers see them: harmless, short enough, with numbers that can be read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails.letters import MARK, Score, day, mark
from emails.texts import formats


@given(st.text())
def test_harmless_words_stand_on_one_line_and_hold_no_mark(text: str) -> None:
    done = formats.harmless(text + mark("VOTE") + text)
    assert done.isprintable() or all(each.isprintable() or not each.isspace() or each == " " for each in done)
    assert not MARK.search(done)
    assert done == formats.harmless(done)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (" two\r\n words\t", "two words"),
        ("bell\x07 and \x1b[31mred", "bell and [31mred"),
        ("\u202eevil\u202c", "evil"),
        ("{~VOTE~}", "{ ~VOTE~}"),
        ("👩‍👩‍👧 हिन्दी שלום", "👩‍👩‍👧 हिन्दी שלום"),
    ],
)
def test_what_harmless_does(given: str, shown: str) -> None:
    assert formats.harmless(given) == shown


@given(st.text(), st.integers(2, 50))
def test_shortened_words_fit(text: str, most: int) -> None:
    assert len(formats.shortened(text, most)) <= most
    assert formats.shortened(text, len(text)) == text


def test_words_are_cut_between_words() -> None:
    assert formats.shortened("Both read your pull requests, before a colleague", 30) == "Both read your pull…"
    assert formats.shortened("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    "whole", ["🇩🇪", "👩‍👩‍👧", "👍🏽", "🏴\U000e0067\U000e0062\U000e0073\U000e007f", "e\u0301", "हि", "न्दी", "각", "🏳️‍🌈"]
)
def test_what_readers_see_as_one_character_is_never_cut_in_two(whole: str) -> None:
    for most in range(len(whole) + 1, 6 * len(whole)):
        cut = formats.shortened(whole * 6, most).removesuffix("…")
        assert cut == whole * (len(cut) // len(whole))


def test_numbers_are_words_while_they_are_small() -> None:
    assert [formats.counted(number) for number in (0, 8, 12, 13, 1024)] == ["no", "eight", "twelve", "13", "1,024"]
    assert formats.plural(1, "review") == "one review"
    assert formats.plural(8, "review") == "eight reviews"


def test_a_share_is_whole_percent_or_nothing() -> None:
    assert formats.percent(Score(146, 68)) == 68
    assert formats.percent(Score(0, 0)) is None


def test_dates_are_written_out() -> None:
    when = datetime(2026, 11, 17, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert formats.weekday(when) == "Tuesday 17 November 2026"
    assert formats.moment(when) == "Tuesday 17 November 2026, 00:30 UTC+1"
    assert formats.moment(when.astimezone(UTC)) == "Monday 16 November 2026, 23:30 UTC"
    assert day(datetime(2026, 3, 4, tzinfo=UTC)) == "4 March 2026"


@pytest.mark.parametrize(
    ("hours", "said"), [(0, "UTC"), (1, "UTC+1"), (-8, "UTC-8"), (5.75, "UTC+5:45"), (-3.5, "UTC-3:30")]
)
def test_a_zone_is_said_by_its_distance_from_utc(hours: float, said: str) -> None:
    assert formats.offset(datetime(2026, 11, 17, tzinfo=timezone(timedelta(hours=hours)))) == said


def test_lines_wrap_without_breaking_links() -> None:
    link = "https://verdicts.example/" + "x" * 90
    assert formats.wrapped(f"Read {link} now").splitlines() == ["Read", link, "now"]


def test_lines_of_chinese_are_as_wide_as_other_lines_and_none_begins_with_a_full_stop() -> None:
    text = "这个工具在同事之前阅读你的合并请求并写下意见。" * 6
    lines = formats.wrapped(text).splitlines()
    assert "".join(lines) == text
    assert all(34 <= len(line) <= 36 for line in lines[:-1])
    assert not [line for line in lines if line.startswith("。")]


def test_korean_breaks_between_its_words() -> None:
    assert set(formats.wrapped("코드 리뷰를 읽습니다 " * 9).split()) == {"코드", "리뷰를", "읽습니다"}


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_wrapping_changes_nothing_but_white_space(text: str) -> None:
    shown = formats.harmless(text)
    assert "".join(formats.wrapped(shown).split()) == "".join(shown.split())
