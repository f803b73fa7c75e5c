"""What the letters are about in these tests: a week at Weekly AI Tool Verdicts, and what its readers get."""

from dataclasses import replace
from datetime import UTC, datetime

from emails.letters import ComparisonPart, DigestContent, Mover, Quote, Score, Site, ToolPart

SITE = Site("Weekly AI Tool Verdicts", "https://verdicts.example", "14 Sample Quay, Port Example 00000")
ALICE = {
    "UNSUBSCRIBE": "AAAAAAAABwAAAAAAAE3QbIvxq40ZyvXKf0ay1VxU",
    "PREFERENCES": "BBBBBBBABwAAAAAAAE3QbIvxq40ZyvXKf0ay1VxU",
    "VOTE": "CCCCCCCABwAAAAAAAE3QbIvxq40ZyvXKf0ay1VxU",
    "CONFIRM": "DDDDDDDABwAAAAAAAE3QbIvxq40ZyvXKf0ay1VxU",
    "SINCE": "4 March 2026",
}

LARKSPUR = ToolPart(
    slug="larkspur",
    name="Larkspur",
    category="Developer Tools",
    tagline="A reviewer that has read the whole repository, not only the patch",
    entry="Freemium",
    panel=Score(3, 1),
    community=Score(146, 68),
    quote_for=Quote("The Builder", "ship", "It flagged a caller three packages away that I had forgotten I wrote."),
    quote_against=Quote(
        "The Skeptic", "skip", "The index is a night old by design. On a busy trunk it reviews yesterday’s code."
    ),
)
SECOND_PAIR = ToolPart(
    slug="second-pair",
    name="Second Pair",
    category="Developer Tools",
    tagline="Pairs with you while you type, then signs its name to the review",
    entry="Paid",
    panel=Score(2, 2),
    community=Score(0, 0),
    quote_for=Quote("The Skeptic", "ship", "It says ‘I do not know this module’ instead of guessing. That is rare."),
    quote_against=Quote("The Founder", "skip", "Five seats before the first good morning is a procurement meeting."),
)
QUESTION = "Both read your pull requests before a colleague does. Which one would you still have switched on three months from now?"  # noqa: E501
FIRST = ComparisonPart("larkspur-vs-second-pair", QUESTION, (LARKSPUR, SECOND_PAIR), 8)


def tool(name: str, panel: tuple[int, int], community: tuple[int, int]) -> ToolPart:
    """A tool of which only the figures matter."""
    slug = name.lower().replace(" ", "-")
    return ToolPart(slug, name, "Writing", f"What {name} is for", "Free", Score(*panel), Score(*community))


WEEK = DigestContent(
    slot="2026-W47",
    due=datetime(2026, 11, 17, 9, 0, tzinfo=UTC),
    cutoff=datetime(2026, 11, 17, 8, 30, tzinfo=UTC),
    comparisons=(
        FIRST,
        ComparisonPart(
            "quillmark-vs-draftsman",
            "Two writing aids that promise your own voice. Does either have it?",
            (tool("Quillmark", (3, 1), (61, 39)), tool("Draftsman", (1, 3), (38, 62))),
            8,
        ),
        ComparisonPart(
            "oxbow-vs-millrace",
            "Who should run the nightly data jobs that nobody wants to own?",
            (tool("Oxbow", (4, 0), (0, 0)), tool("Millrace", (2, 2), (54, 46))),
            8,
        ),
    ),
    movers=(
        Mover("tallow-search", "Tallow Search", 41, 57),
        Mover("fernhill", "Fernhill", 63, 72),
        Mover("copperplate", "Copperplate", 70, 58),
    ),
)
LAST_WEEK = ComparisonPart(
    "tallow-search-vs-fernhill",
    "Which one finds what you meant?",
    (tool("Tallow Search", (3, 1), (251, 161)), tool("Fernhill", (1, 3), (175, 223))),
    8,
)
MOVED = (
    Mover("tallow-search", "Tallow Search", 41, 61),
    Mover("fernhill", "Fernhill", 63, 44),
    Mover("copperplate", "Copperplate", 70, 58),
)
TOLD = replace(WEEK, last_week=LAST_WEEK, last_slot="2026-W46", movers=MOVED)
"""The same week with last week's result, and its two tools moved to the figures that it has."""

ALERT = {
    "title": "41 jobs of SubscriptionRequested failed",
    "told": (
        "The last attempt ended with ServerDisconnected.",
        "Nothing is lost. Mend the cause, then retry them: verdicts jobs retry --group SubscriptionRequested:x:aa11",
    ),
    "since": datetime(2026, 11, 17, 8, 14, tzinfo=UTC),
    "link": "/operator/jobs?kind=SubscriptionRequested&error=ServerDisconnected",
}


def long_week(comparisons: int) -> DigestContent:
    """A week in which this many comparisons were published."""
    several = tuple(
        ComparisonPart(
            f"tool-number-{n}-vs-tool-number-{n + 1}",
            f"Number {n} and its neighbour promise to take the same work off your desk. Which one does?",
            (tool(f"Tool Number {n}", (3, 1), (1234, n)), tool(f"Tool Number {n + 1}", (1, 3), (n, 1234))),
            8,
        )
        for n in range(comparisons - 1)
    )
    return DigestContent(WEEK.slot, WEEK.due, WEEK.cutoff, (FIRST, *several), WEEK.movers)
