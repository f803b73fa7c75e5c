"""The digest: its comparisons, figures, votes and quotes, in a letter that no mail program cuts."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from emails import letters
from emails.letters import ComparisonPart, DigestContent, Score, ToolPart
from emails.letters.digest import LARGEST
from tests.emails.letters.seen import SAMPLES, links, parsed, shown_text, week_of
from tests.emails.people import ALICE, FIRST, LARKSPUR, SECOND_PAIR, SITE, TOLD, WEEK, long_week


def test_each_tool_of_the_first_comparison_has_its_figures_quotes_and_vote_links() -> None:
    letter = SAMPLES["digest"].filled(ALICE)
    for body in (shown_text(letter.html), " ".join(letter.text.split())):
        for words in (LARKSPUR.name, LARKSPUR.tagline, SECOND_PAIR.name, SECOND_PAIR.entry, FIRST.question):
            assert words in body
        assert LARKSPUR.quote_for
        assert SECOND_PAIR.quote_against
        assert LARKSPUR.quote_for.text in body
        assert SECOND_PAIR.quote_against.reviewer in body
        assert body.count("”") == 2  # one quote a tool
        assert "Panel ship" in body
        assert "146 ship" in body
        assert re.search("no votes yet. Be the first", body.replace("yet, be", "yet. be"), re.IGNORECASE)
    for slug in ("larkspur", "second-pair", "quillmark", "draftsman", "oxbow", "millrace"):
        for choice in ("ship", "skip"):
            link = f"{SITE.base_url}/vote/{ALICE['VOTE']}?tool={slug}&choice={choice}"
            assert link in links(letter.html)
            assert link in letter.text


def test_the_percentages_are_whole_and_a_tool_without_votes_has_none() -> None:
    shown = shown_text(SAMPLES["digest"].html)
    assert "75 %" in shown.replace("75%", "75 %")
    assert "0%" not in re.findall(r"\b\d+%", shown)
    assert "No votes yet" in shown


def test_the_web_version_and_the_cut_off_are_named() -> None:
    letter = SAMPLES["digest"].filled(ALICE)
    assert links(letter.html).count(f"{SITE.base_url}/digests/2026-W47") == 2
    assert "Votes counted up to Tuesday 17 November 2026, 08:30 UTC" in shown_text(letter.html)
    assert "Votes counted up to Tuesday 17 November 2026, 08:30 UTC" in letter.text


def test_a_quiet_week_has_no_empty_sections() -> None:
    letter = letters.digest(replace(week_of(FIRST), movers=()), SITE)
    for body in (letter.html, letter.text):
        assert "Also compared" not in body
        assert "Movers" not in body
        assert "result" not in body


def test_fifty_comparisons_are_all_named_in_a_letter_that_is_not_cut() -> None:
    letter = SAMPLES["digest-long"].filled(ALICE)
    compared = {link for link in links(letter.html) if "/compare/" in link}
    assert len(compared) == 50
    assert "Read on the web" in letter.text


@pytest.mark.parametrize(("number", "abridged"), [(1, 0), (10, 9), (11, 9), (30, 9)])
def test_ten_have_vote_buttons_however_many_have_gathered_and_all_are_named(number: int, abridged: int) -> None:
    gathered = (replace(FIRST, slug=f"pair-{n}") for n in range(number))
    letter = letters.digest(week_of(*gathered), SITE).filled(ALICE)
    assert {link for link in links(letter.html) if "/compare/" in link} == {
        f"{SITE.base_url}/compare/pair-{n}" for n in range(number)
    }
    votes = [link for link in links(letter.html) if "/vote/" in link]
    assert len(votes) == 4 * (1 + abridged)
    assert letter.text.count("choice=ship") == 2 * (1 + abridged)
    assert len(letter.html.encode()) <= LARGEST


def test_what_fits_in_no_letter_is_left_to_the_web() -> None:
    names = "A name that goes on and on " * 4
    several = tuple(
        ComparisonPart(
            f"{n}-{'x' * 150}", names * 2, (replace(LARKSPUR, name=names), replace(SECOND_PAIR, name=names)), 8
        )
        for n in range(400)
    )
    letter = letters.digest(replace(WEEK, comparisons=several), SITE)
    assert len(letter.html.encode()) <= LARGEST
    assert "would not fit in a letter" in letter.html
    assert "would not fit in a letter" in letter.text


def bare(*tools: ToolPart) -> ComparisonPart:
    """FIRST as nobody has voted on it."""
    one, two = (replace(tool, community=Score(0, 0)) for tool in tools or (LARKSPUR, SECOND_PAIR))
    return replace(FIRST, tools=(one, two))


def test_a_comparison_without_votes_is_one_line_that_invites() -> None:
    letter = letters.digest(week_of(bare(), replace(bare(), slug="another")), SITE)
    for body in (shown_text(letter.html).removeprefix(letter.preheader), letter.text.split("Archive")[0]):
        assert "Community ship" not in body
        assert "Readers" not in body
        assert len(re.findall(r"Nobody has voted yet[.:] [Bb]e the first\.", body)) >= 2
    assert "No votes yet" not in letter.html


def test_a_letter_with_more_than_three_comparisons_says_what_is_inside() -> None:
    several = [replace(WEEK.comparisons[n % 3], slug=f"pair-{n}") for n in range(4)]
    inside = "Also inside: Quillmark vs Draftsman, Oxbow vs Millrace and one more."
    for shown in (3, 4):
        letter = letters.digest(week_of(*several[:shown]), SITE)
        for body in (shown_text(letter.html), letter.text):
            assert (inside in " ".join(body.split())) is (shown == 4)


@pytest.mark.parametrize(("own_votes", "ship", "skip"), [("", 0, 0), ("s", 1, 0), ("sk", 1, 1), ("kk", 0, 2)])
def test_readers_see_their_own_votes_beside_the_tools(own_votes: str, ship: int, skip: int) -> None:
    letter = letters.digest(TOLD, SITE).filled(ALICE, own_votes)
    for body in (shown_text(letter.html), letter.text):
        assert (body.count("You said ship."), body.count("You said skip.")) == (ship, skip)


def test_last_weeks_result_is_told_with_the_readers_own_vote() -> None:
    letter = letters.digest(TOLD, SITE)
    votes = "-" * TOLD.tool_slugs.index("tallow-search") + "sk"
    told = "You said ship to Tallow Search, as did 61% of 412."
    for own_votes, expected in ((votes, 1), ("", 0)):
        seen = letter.filled(ALICE, own_votes)
        for body in (shown_text(seen.html), " ".join(seen.text.split())):
            assert "Readers would ship Tallow Search (61% of 412) and skip Fernhill (56% of 398)." in body
            assert body.count(told) == expected
            assert body.count("You skipped Fernhill") == expected
            assert "Last week’s result" in body


def test_after_a_week_without_a_digest_nobody_reads_of_last_week() -> None:
    letter = letters.digest(replace(TOLD, last_slot="2026-W45"), SITE)
    for body in (letter.html, letter.text):
        assert "The last result" in body
        assert "Last week" not in body


def test_each_vote_button_is_named_with_its_tool() -> None:
    named = [
        (each.attrib["href"], each.attrib.get("aria-label"))
        for each in parsed(SAMPLES["digest"].filled(ALICE).html).iter("a")
        if "/vote/" in each.attrib["href"]
    ]
    names = {tool.slug: tool.name for part in WEEK.comparisons for tool in part.tools}
    assert len(named) == 12
    for href, label in named:
        asked = parse_qs(urlsplit(href).query)
        assert label == f"{asked['choice'][0].capitalize()} {names[asked['tool'][0]]}"


def test_the_foot_tells_who_answers_and_where_to_go() -> None:
    letter = SAMPLES["digest"].filled(ALICE)
    for body in (shown_text(letter.html), " ".join(letter.text.split())):
        assert "Just reply: a person reads it." in body
        assert "Was it forwarded to you? Subscribe" in body
        assert "We don’t track whether you open this letter or what you click." in body
    assert f"{SITE.base_url}/archive" in links(letter.html)
    assert f"{SITE.base_url}/" in links(letter.html)
    assert "preferences" not in letter.html


def test_a_tool_without_reviews_says_so_and_has_no_bar() -> None:
    new = replace(LARKSPUR, panel=Score(0, 0), quote_for=None, quote_against=None)
    letter = letters.digest(week_of(replace(FIRST, tools=(new, SECOND_PAIR), reviews=0)), SITE)
    assert "No reviews yet" in letter.html
    assert "Read the comparison" in letter.html
    assert 20 <= len(letter.preheader) <= 150


def test_a_test_is_the_same_letter_and_says_that_it_is_one() -> None:
    real, test = SAMPLES["digest"], SAMPLES["test"]
    assert test.subject == f"[Test] {real.subject}"
    for body in (shown_text(test.html), test.text):
        assert body.startswith("This is a test, sent to you alone.")
    assert test.marks == real.marks
    assert links(test.html) == links(real.html)


def test_the_same_content_gives_the_same_bytes() -> None:
    again = letters.digest(DigestContent.from_json(WEEK.as_json()), SITE)
    assert again == letters.digest(WEEK, SITE)
    assert letters.renderer() == letters.renderer()


def test_the_day_of_the_freeze_and_the_cut_off_are_said_in_the_newsletters_zone() -> None:
    frozen = datetime(2026, 11, 16, 23, 29, tzinfo=UTC).astimezone(ZoneInfo("Europe/Madrid"))
    content = replace(WEEK, due=frozen - timedelta(days=3), cutoff=frozen)
    for kept in (content, DigestContent.from_json(content.as_json())):
        letter = letters.digest(kept, SITE)
        for body in (shown_text(letter.html), letter.text):
            assert body.count("Tuesday 17 November 2026") == 2
            assert "Votes counted up to Tuesday 17 November 2026, 00:29 UTC+1" in body


def test_longest_week_is_composed_quickly_enough_to_preview() -> None:
    assert letters.digest(long_week(200), SITE).html
