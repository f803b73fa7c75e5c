"""What every letter has, as outside checkers see it: its size, its bodies, its links and its foot."""

import re
from itertools import pairwise
from urllib.parse import urlsplit

import html5lib
import pytest

from emails import render
from emails.letters import Letter
from emails.letters.digest import LARGEST
from emails.messages import quoted_printable
from tests.emails.letters.seen import SAMPLES, links, parsed, shown_text
from tests.emails.people import ALICE, SITE

VOID = {"br", "meta", "img", "hr", "input", "link", "col"}


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
