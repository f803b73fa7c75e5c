"""Words that were meant to do harm stay words, wherever they stand in a letter."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emails import letters
from emails.letters import ComparisonPart, Letter, Quote, Score, Site, ToolPart
from emails.letters.digest import LARGEST
from tests.emails.letters.seen import SAMPLES, links, parsed, shown_text, week_of
from tests.emails.people import ALICE, FIRST, LARKSPUR, SECOND_PAIR, SITE, WEEK

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
