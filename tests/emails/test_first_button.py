"""Whatever a catalogue holds, its first button comes early on a phone; an ordinary week is not touched for that."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails.letters import Score
from emails.texts import first_button, text_width
from emails.texts.first_button import LOWEST, Top, near
from emails.texts.text_width import Type
from tests.emails.people import FIRST, LARKSPUR, SECOND_PAIR

AN_ORDINARY_WEEK = Top(
    "Weekly AI Tool Verdicts",
    "Readers would ship Larkspur (68% of 214). Nobody has voted on Second Pair yet. Inside: four more comparisons.",
    "Also inside: Quillmark vs Draftsman, Oxbow vs Millrace and two more.",
    ("Larkspur", "Second Pair"),
    FIRST,
)
LINE = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80) | st.sampled_from(
    "W@👩字ش"
).map(lambda each: each * 80)


def test_an_ordinary_week_stands_as_it_was_written() -> None:
    assert near(AN_ORDINARY_WEEK) == AN_ORDINARY_WEEK


def test_long_taglines_are_cut_before_anything_else() -> None:
    line = "It reads the whole repository before anybody asks, and answers in the words of your team."
    one, two = (replace(tool, tagline=line) for tool in (LARKSPUR, SECOND_PAIR))
    long = replace(
        AN_ORDINARY_WEEK, part=replace(FIRST, tools=(one, two), question=FIRST.question + " Or neither of the two?")
    )
    assert long.reaches > LOWEST
    cut, _ = near(long).part.tools
    assert cut.tagline == "It reads the whole repository before anybody asks, and answers in the…"
    assert replace(near(long), part=long.part) == long


@given(names=st.tuples(LINE, LINE), question=LINE, line=LINE, site_name=LINE, voted=st.booleans())
def test_the_first_button_is_near_the_top_for_any_words(
    names: tuple[str, str], question: str, line: str, site_name: str, *, voted: bool
) -> None:
    one, two = (
        replace(tool, name=name, tagline=line, category=line[:40], entry=line[:40], community=Score(voted, 0))
        for tool, name in zip((LARKSPUR, SECOND_PAIR), names, strict=True)
    )
    part = replace(FIRST, question=question * 2, tools=(one, two))
    assert near(Top(site_name, line + names[0][:70], line + names[1], names, part)).reaches <= LOWEST


@pytest.mark.parametrize(
    ("text", "lines"),
    [("one", 1), ("W" * 10, 1), ("W" * 11, 2), ("WWWWW WWWWW", 2), ("字" * 9, 1), ("字" * 10, 2), ("e\u0301" * 16, 1)],
)
def test_lines_are_counted_by_the_width_of_letters(text: str, lines: int) -> None:
    assert text_width.lines(text, Type(room=104, size=10, line=14)) == lines


def test_what_is_cut_fits() -> None:
    assert text_width.cut("short", 1, first_button.LABEL) == "short"
    cut = text_width.cut(
        "Both read your pull requests before a colleague does, on any day of the week", 1, first_button.LABEL
    )
    assert cut.endswith("…")
    assert text_width.lines(cut, first_button.LABEL) == 1
