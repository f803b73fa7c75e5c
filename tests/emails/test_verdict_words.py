"""Sentences about figures: a table of cases, and what is said of each. Every sentence has to be true."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails.letters import ComparisonPart, Score
from emails.texts import verdict_words
from tests.emails.people import FIRST, LARKSPUR, SECOND_PAIR

Votes = tuple[int, int]


def compared(panels: tuple[Votes, Votes], votes: tuple[Votes, Votes], question: str = "?") -> ComparisonPart:
    tools = [
        replace(tool, name=name, panel=Score(*panel), community=Score(*community))
        for tool, name, panel, community in zip(
            (LARKSPUR, SECOND_PAIR), ("Larkspur", "Second Pair"), panels, votes, strict=True
        )
    ]
    return replace(FIRST, question=question, tools=(tools[0], tools[1]))


READERS = [
    ((251, 161), (175, 223), "Readers would ship Larkspur (61% of 412) and skip Second Pair (56% of 398)."),
    ((175, 223), (251, 161), "Readers would skip Larkspur (56% of 398) and ship Second Pair (61% of 412)."),
    ((44, 56), (23, 77), "Readers would skip both: Larkspur (56% of 100) and Second Pair (77% of 100)."),
    ((90, 10), (60, 40), "Readers would ship both: Larkspur (90% of 100) and Second Pair (60% of 100)."),
    ((4, 0), (2, 2), "Readers would ship Larkspur (4 of 4) and are split on Second Pair (2 to 2)."),
    ((2, 2), (4, 0), "Readers are split on Larkspur (2 to 2) and would ship Second Pair (4 of 4)."),
    ((2, 2), (0, 3), "Readers are split on Larkspur (2 to 2) and would skip Second Pair (3 of 3)."),
    ((5, 5), (1200, 1200), "Readers are split on both: Larkspur (5 to 5) and Second Pair (1,200 to 1,200)."),
    ((201, 199), (199, 201), "Readers would ship Larkspur (201 of 400) and skip Second Pair (201 of 400)."),
    ((999, 1), (1, 999), "Readers would ship Larkspur (999 of 1,000) and skip Second Pair (999 of 1,000)."),
    ((40, 0), (0, 40), "Readers would ship Larkspur (40 of 40) and skip Second Pair (40 of 40)."),
    ((146, 68), (0, 0), "Readers would ship Larkspur (68% of 214). Nobody has voted on Second Pair yet."),
    ((0, 0), (0, 2), "Readers would skip Second Pair (2 of 2). Nobody has voted on Larkspur yet."),
    ((1, 0), (0, 0), "The one vote on Larkspur says ship. Nobody has voted on Second Pair yet."),
    ((0, 1), (1, 0), "The one vote on Larkspur says skip. The one vote on Second Pair says ship."),
    ((1, 0), (3, 1), "Readers would ship Second Pair (3 of 4). The one vote on Larkspur says ship."),
    ((7, 7), (0, 1), "Readers are split on Larkspur (7 to 7). The one vote on Second Pair says skip."),
    ((0, 0), (0, 0), "Nobody has voted yet: be the first."),
]

PANELS = [
    ((3, 1), (2, 2), "The panel would ship Larkspur (3 of 4) and is split on Second Pair (2 to 2)."),
    ((4, 0), (4, 0), "The panel would ship both: Larkspur (4 of 4) and Second Pair (4 of 4)."),
    ((1, 3), (0, 4), "The panel would skip both: Larkspur (3 of 4) and Second Pair (4 of 4)."),
    ((4, 0), (1, 3), "The panel would ship Larkspur (4 of 4) and skip Second Pair (3 of 4)."),
    ((3, 1), (0, 0), "The panel would ship Larkspur (3 of 4). The panel hasn’t reviewed Second Pair."),
    ((1, 0), (0, 1), "The only reviewer of Larkspur says ship. The only reviewer of Second Pair says skip."),
    ((0, 0), (0, 0), ""),
]


@pytest.mark.parametrize(("one", "two", "said"), READERS)
def test_what_readers_say(one: Votes, two: Votes, said: str) -> None:
    assert " ".join(verdict_words.readers_say(compared(((3, 1), (2, 2)), (one, two)))) == said


@pytest.mark.parametrize(("one", "two", "said"), PANELS)
def test_what_the_panel_says(one: Votes, two: Votes, said: str) -> None:
    assert " ".join(verdict_words.panel_says(compared((one, two), ((0, 0), (0, 0))))) == said


@pytest.mark.parametrize("name", ["لاركسبر", "Larkspur לרקספור", "Larkspur"])
def test_figures_stand_behind_a_name_of_any_direction(name: str) -> None:
    part = compared(((3, 1), (2, 2)), ((3, 1), (0, 4)))
    [said] = verdict_words.readers_say(replace(part, tools=(replace(part.tools[0], name=name), part.tools[1])))
    mark = "" if name == "Larkspur" else "\u200e"
    assert said == f"Readers would ship {name}{mark} (3 of 4) and skip Second Pair (4 of 4)."


@pytest.mark.parametrize(
    ("votes", "choice", "said"),
    [
        ((251, 161), "ship", "You said ship to Larkspur, as did 61% of 412."),
        ((175, 223), "skip", "You skipped Larkspur, as did 56% of 398."),
        ((3, 1), "ship", "You said ship to Larkspur, as did 3 of 4."),
        ((3, 1), "skip", "You skipped Larkspur."),  # alone
        ((3, 0), "skip", "You skipped Larkspur."),  # after the freeze
        ((999, 2), "skip", "You skipped Larkspur, as did 2 of 1,001."),
    ],
)
def test_what_a_reader_is_told_of_their_own_vote(votes: Votes, choice: str, said: str) -> None:
    part = compared(((3, 1), (2, 2)), (votes, (0, 0)))
    assert verdict_words.own_words(part.tools[0], choice) == said  # type: ignore[arg-type]


LONG = "Both read your pull requests before a colleague does. Which one stays?"


@pytest.mark.parametrize(
    ("panels", "question", "subject", "goes_on"),
    [
        (((3, 1), (1, 3)), "Which one stays?", "Larkspur vs Second Pair: Which one stays?", "The panel would ship"),
        (((3, 1), (1, 3)), LONG, "The panel: ship Larkspur, skip Second Pair", "Readers would ship"),
        (((1, 3), (3, 1)), LONG, "The panel: ship Second Pair, skip Larkspur", "Readers would ship"),
        (((3, 1), (2, 2)), LONG, "Would you ship Larkspur or Second Pair?", "The panel would ship"),
        (((0, 0), (0, 0)), LONG, "Would you ship Larkspur or Second Pair?", "Readers would ship"),
    ],
)
def test_the_subject_asks_or_says_the_verdict_and_the_preheader_goes_on_from_it(
    panels: tuple[Votes, Votes], question: str, subject: str, goes_on: str
) -> None:
    part = compared(panels, ((251, 161), (175, 223)), question)
    assert verdict_words.subject(part) == subject
    assert verdict_words.preheader(part).startswith(goes_on)


SCORE = st.builds(Score, st.integers(0, 3000), st.integers(0, 3000))
NAME = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=80)


@given(st.tuples(NAME, NAME), st.tuples(SCORE, SCORE), st.tuples(SCORE, SCORE), st.text(max_size=80))
def test_subject_and_preheader_fit_for_any_names_and_figures(
    names: tuple[str, str], panels: tuple[Score, Score], votes: tuple[Score, Score], question: str
) -> None:
    one, two = (
        replace(tool, name=name, panel=panel, community=community)
        for tool, name, panel, community in zip((LARKSPUR, SECOND_PAIR), names, panels, votes, strict=True)
    )
    part = replace(FIRST, question=question, tools=(one, two))
    assert len(verdict_words.subject(part)) <= 50
    preheader = verdict_words.preheader(part, "Inside: two more comparisons.")
    assert 20 <= len(preheader) <= 150
    assert preheader.endswith(".")
