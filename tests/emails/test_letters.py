"""The letters as outside checkers see them: bodies, links, size, and words that were meant to do harm."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emails import letters, quoted_printable, render
from emails.letters import ComparisonPart, DigestContent, Letter, Quote, Score, Site, ToolPart
from emails.letters.digest import LARGEST
from tests.emails.people import ALICE, FIRST, LARKSPUR, SECOND_PAIR, SITE, TOLD, WEEK, long_week
from tests.emails.samples import samples

SAMPLES = dict(samples())
VOID = {"br", "meta", "img", "hr", "input", "link", "col"}
HOSTILE = [
    "<script>alert(1)</script>",
    "</td></table><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "<a href='javascript:alert(1)'>click</a>",
    "</mj-text></mj-column><mj-raw>",
    "{{ 7 * 7 }}{% raw %}",
    "{~UNSUBSCRIBE~} {~VOTE~}",
    "<!--[if mso]> --> <![endif]-->",
    "]]><![CDATA[",
    "one\r\ntwo\x00\x1b[31m\u2028three",
    "\u202eright to left\u202c \u2067isolated\u2069",
    "שלום עולם، مرحبا بالعالم",
    "😀" * 60,
    "हिन्दी \\u{94d} C:\\new & co. 👩‍👩‍👧",
    "&amp; &lt;b&gt; &nbsp; &#x202e;",
    "a half \ud83d, a \ufffe and a \ufeff",
]


@pytest.fixture(params=sorted(SAMPLES))
def letter(request: pytest.FixtureRequest) -> Letter:
    """Every letter, as Alice gets it."""
    return SAMPLES[request.param].filled(ALICE)


def parsed(html: str) -> Element:
    return html5lib.parse(html, treebuilder="etree", namespaceHTMLElements=False)


def links(html: str) -> list[str]:
    return [each.attrib["href"] for each in parsed(html).iter("a")]


def shown_text(html: str) -> str:
    body = parsed(html).find("body")
    assert body is not None
    for each in [each for each in body.iter() if not isinstance(each.tag, str)]:
        each.text = None  # a comment
    return " ".join("".join(body.itertext()).split())


def week_of(*comparisons: ComparisonPart) -> DigestContent:
    return replace(WEEK, comparisons=comparisons)


# ---- what every letter has -------------------------------------------------------------------------------------


def test_a_letter_is_small_enough_not_to_be_cut(letter: Letter) -> None:
    assert sum(map(len, quoted_printable.pieces(letter.html))) <= LARGEST


def test_a_letter_says_its_language_title_and_one_heading(letter: Letter) -> None:
    tree = parsed(letter.html)
    assert tree.attrib["lang"] == "en"
    title = tree.find("head/title")
    assert title is not None
    assert title.text
    assert len(list(tree.iter("h1"))) == 1
    names = [each.attrib.get("name") for each in tree.iter("meta")]
    assert names.count("color-scheme") == names.count("supported-color-schemes") == 1
    assert "prefers-color-scheme: dark" in letter.html


def test_headings_descend_one_by_one(letter: Letter) -> None:
    levels = [int(each.tag[1]) for each in parsed(letter.html).iter() if re.fullmatch("h[1-6]", str(each.tag))]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_tables_are_for_layout_and_say_so(letter: Letter) -> None:
    tables = list(parsed(letter.html).iter("table"))
    assert tables
    assert {table.attrib.get("role") for table in tables} == {"presentation"}


def test_each_buttons_padding_and_ground_are_on_a_cell(letter: Letter) -> None:
    """Outlook's Word engine gives neither to a link."""
    tree = parsed(letter.html)
    above = {child: parent for parent in tree.iter() for child in parent}
    buttons = [each for each in tree.iter("a") if "display:block" in each.attrib.get("style", "")]
    assert buttons
    for link in buttons:
        cell, own = above[link], link.attrib["style"]
        assert cell.tag == "td"
        assert re.search(r"padding:[1-9]\d*px", cell.attrib["style"])
        assert re.search(r"background-color:(#\w{6})", cell.attrib["style"])[1] == cell.attrib["bgcolor"]  # type: ignore[index]
        assert "padding" not in own
        assert "background" not in own
        assert "border" not in own
        assert re.search(r"line-height:\d\dpx", own)


def test_direction_and_white_space_are_told_twice(letter: Letter) -> None:
    """Gmail and Outlook know no <bdi>, Outlook no white-space."""
    tree = parsed(letter.html)
    above = {child: parent for parent in tree.iter() for child in parent}
    isolated = list(tree.iter("bdi"))
    assert isolated
    assert {above[each].attrib.get("dir") for each in isolated} == {"auto"}
    for each in tree.iter():
        if "white-space" in each.attrib.get("style", ""):
            assert each.attrib.get("nowrap") == "nowrap", each.attrib


def test_nothing_in_a_letter_acts_or_loads(letter: Letter) -> None:
    for each in parsed(letter.html).iter():
        assert each.tag not in ("script", "form", "iframe", "base", "img", "link", "object", "input", "svg")
        assert not [name for name in each.attrib if name.lower().startswith("on") or name == "src"]
    assert "url(" not in letter.html
    assert "@import" not in letter.html


def test_links_are_absolute_and_their_words_are_no_addresses(letter: Letter) -> None:
    for each in parsed(letter.html).iter("a"):
        assert urlsplit(each.attrib["href"]).scheme == "https"
        assert each.attrib["href"].startswith(f"{SITE.base_url}/")
        assert "://" not in "".join(each.itertext())
        assert "".join(each.itertext()).strip()


def test_nothing_is_left_over_from_templates(letter: Letter) -> None:
    for body in (letter.html, letter.text, letter.subject, letter.preheader):
        assert not re.search(r"\{\{|\}\}|\{%|\{~|~\}|\bNone\b|Undefined|<mj-|\\u\{", body)


def test_the_text_part_carries_every_link_and_reads_alone(letter: Letter) -> None:
    in_text = re.findall(r"https?://\S+", letter.text)
    assert set(in_text) == set(links(letter.html))
    assert "<" not in letter.text
    assert not re.search(r"\n{4,}", letter.text)
    assert max(len(line) for line in letter.text.splitlines() if "://" not in line) <= 72


def test_the_preheader_comes_first_and_is_neither_too_short_nor_too_long(letter: Letter) -> None:
    assert 20 <= len(letter.preheader) <= 150
    assert shown_text(letter.html).startswith(letter.preheader)
    assert " ".join(letter.text.split()).startswith(letter.preheader)
    assert letter.html.count("&zwnj;") >= 20


def test_the_foot_says_who_writes_and_from_where(letter: Letter) -> None:
    for body in (shown_text(letter.html), " ".join(letter.text.split())):
        assert SITE.postal_address in body
        assert SITE.name in body


@pytest.mark.parametrize("name", ["digest", "digest-quiet", "digest-long", "test", "welcome", "welcome-first"])
def test_a_mailing_says_why_it_comes_and_how_to_leave(name: str) -> None:
    letter = SAMPLES[name].filled(ALICE)
    assert SAMPLES[name].mailing
    assert f"{SITE.base_url}/unsubscribe/{ALICE['UNSUBSCRIBE']}" in links(letter.html)
    for body in (shown_text(letter.html), " ".join(letter.text.split())):
        assert re.search("You get this (letter|email) because you subscribed to", body)
        assert "4 March 2026" in body
        assert "Unsubscribe" in body


def test_it_is_valid_html_but_for_what_mjml_is_known_for(letter: Letter) -> None:
    parser = html5lib.HTMLParser()
    parser.parse(letter.html)
    assert {code for _, code, _ in parser.errors} <= {"non-void-element-with-trailing-solidus"}
    assert not [tag for tag in re.findall(r"<(\w+)[^<>]*/>", letter.html) if tag.lower() not in VOID | {"o"}]


def test_colours_have_six_digits_and_lengths_have_units() -> None:
    for path in render.TEMPLATES.iterdir():
        source = path.read_text()
        assert not re.search(r"#[0-9a-f]{3}\b(?![0-9a-f;])", re.sub(r"&#\d+;", "", source)), path.name
        assert not re.search(r'\spadding="([^"]* )?0[ "]', source), path.name


# ---- the other letters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["confirm", "reminder"])
def test_a_letter_that_asks_has_one_sentence_and_one_button(name: str) -> None:
    letter = SAMPLES[name].filled(ALICE)
    tree = parsed(letter.html)
    assert [link for link in links(letter.html) if link != f"{SITE.base_url}/"] == [
        f"{SITE.base_url}/confirm/{ALICE['CONFIRM']}"
    ]
    assert "".join(next(each for each in tree.iter("td") if "btn-ink" in each.attrib.get("class", "")).itertext()) == (
        "Yes, subscribe me"
    )
    assert not SAMPLES[name].mailing


def test_the_confirm_letter_tells_of_the_reminder_and_the_reminder_that_it_is_the_last() -> None:
    assert "we’ll remind you once" in shown_text(SAMPLES["confirm"].html)
    assert "this is the only reminder." in SAMPLES["reminder"].preheader
    assert "we won’t email you again" in shown_text(SAMPLES["reminder"].html)


def test_the_welcome_shows_the_latest_digest_and_asks_for_an_answer() -> None:
    letter = SAMPLES["welcome"].filled(ALICE)
    for body in (shown_text(letter.html), " ".join(letter.text.split())):
        assert "Every Tuesday at 09:00, whenever something new was compared" in body
        assert "came on Tuesday 17 November 2026: Larkspur vs Second Pair, and two more comparisons." in body
        assert "Add us to your contacts. With digest@verdicts.example among them" in body
        assert "Just reply: a person reads it." in body
    assert f"{SITE.base_url}/digests/2026-W47" in links(letter.html)


def test_before_the_first_digest_the_welcome_leads_to_the_site() -> None:
    letter = SAMPLES["welcome-first"].filled(ALICE)
    assert "Read the latest comparisons" in letter.text
    assert "latest letter" not in letter.html + letter.text


def test_an_alert_gives_its_command_a_line_of_its_own() -> None:
    letter = SAMPLES["alert"]
    command = "verdicts jobs retry --group SubscriptionRequested:x:aa11"
    assert ["".join(each.itertext()) for each in parsed(letter.html).iter("code")] == [command]
    assert f"Mend the cause, then retry them:\n  {command}\n" in letter.text
    assert "41 jobs" in letter.subject
    assert "ended with ServerDisconnected" in letter.text


def test_letters_speak_plainly() -> None:
    for name, letter in SAMPLES.items():
        shown = f"{letter.subject} {letter.preheader} {shown_text(letter.html)} {letter.text}"
        for phrase in (
            "Shall we",
            "write to you",
            "Without your word",
            "a way out",
            "Here is what comes",
            "one more press",
        ):
            assert phrase not in shown, f"{name}: {phrase}"
        assert "track" in shown or letter.kind == "alert"


# ---- the digest ------------------------------------------------------------------------------------------------


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


# ---- words that were meant to do harm --------------------------------------------------------------------------


def everywhere(words: str) -> Letter:
    """A digest in which these words stand wherever content can stand."""
    tools = tuple(
        ToolPart("slug", words, words, words, words, Score(1, 1), Score(0, 1), Quote(words, "ship", words), None)
        for _ in range(2)
    )
    part = ComparisonPart("a-slug", words, (tools[0], tools[1]), 2)
    content = replace(WEEK, comparisons=(part, part), movers=())
    return letters.digest(content, Site(words or "x", SITE.base_url, words))


def shape(html: str) -> list[tuple[str, tuple[str, ...]]]:
    """The elements and the names of their attributes, but neither words nor looks."""
    return [
        (each.tag, tuple(sorted(set(each.attrib) - {"style"})))
        for each in parsed(html).iter()
        if isinstance(each.tag, str) and each.tag != "br"
    ]


PLAIN_SHAPE = shape(everywhere("Fourteen plain letters").html)


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_stay_words(words: str) -> None:
    letter = everywhere(words)
    assert shape(letter.html) == PLAIN_SHAPE
    assert {urlsplit(link).netloc for link in links(letter.html)} == {"verdicts.example"}
    kept = " ".join(
        re.sub(r"[\x00-\x08\x0e-\x1b\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\ufeff]", "", words).split()
    )
    kept = kept.replace("{~", "{ ~")
    assert kept in shown_text(letter.html)
    assert kept[:20].strip() in letter.text
    assert letter.marks == SAMPLES["digest"].marks
    for body in (letter.html, letter.text, letter.subject, letter.preheader):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]", body)


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=14, max_size=80))
def test_any_words_stay_words(words: str) -> None:
    letter = everywhere("x" * 14 + words)
    assert shape(letter.html) == PLAIN_SHAPE
    assert letter.marks == SAMPLES["digest"].marks


def test_three_hundred_emoji_fit_in_every_place() -> None:
    letter = everywhere("😀" * 300)
    assert len(letter.html.encode()) <= LARGEST
    assert "😀" * 14 + "…" in letter.subject
    assert "😀" * 79 + "…" in shown_text(letter.html)


def test_a_slug_cannot_leave_its_place_in_a_link() -> None:
    part = replace(FIRST, slug='../x?y="><script>', tools=(replace(LARKSPUR, slug="a&choice=skip#"), SECOND_PAIR))
    letter = letters.digest(week_of(part), SITE).filled(ALICE)
    assert shape(letter.html) == shape(letters.digest(week_of(FIRST), SITE).filled(ALICE).html)
    assert f"{SITE.base_url}/vote/{ALICE['VOTE']}?tool=a%26choice%3Dskip%23&choice=ship" in links(letter.html)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://x.example", "https://x.example/?q", "https://x y", ""])
def test_a_site_needs_a_web_address(url: str) -> None:
    with pytest.raises(ValueError, match="BASE_URL"):
        Site("Verdicts", url, "")


def test_a_very_long_quote_is_cut_between_words() -> None:
    quote = Quote("The Builder", "ship", "word " * 2_000_000)
    letter = letters.digest(week_of(replace(FIRST, tools=(replace(LARKSPUR, quote_for=quote), SECOND_PAIR))), SITE)
    quoted = re.search("“(.*?)”", shown_text(letter.html))
    assert quoted
    assert quoted[1].endswith("word word…")
    assert len(quoted[1]) <= 280
    assert len(letter.html) < LARGEST


def test_longest_week_is_composed_quickly_enough_to_preview() -> None:
    assert letters.digest(long_week(200), SITE).html
