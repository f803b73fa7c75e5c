"""Gathers a digest's content: the new comparisons, their figures and quotes, and the movers of the week."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db import rules
from db.digests import catalog, rule_history
from db.digests.catalog import Comparison, Tool
from db.digests.digests import Digest
from db.votes import tallies
from emails.letters import ComparisonPart, DigestContent, Mover, Quote, Score, ToolPart

MOVERS, MOVER_VOTES = 3, 5
"""The most movers to list, and the fewest votes that a tool needs at both ends of the week."""


def content(session: Session, digest: Digest, compared: list[Comparison], now: datetime) -> DigestContent:
    """The slot's whole content, with the figures as of this transaction."""
    tools = {tool.id for comparison in compared for tool in comparison.tools}
    figures = tallies.figures(session, tools)
    return DigestContent(
        slot=digest.slot,
        due=digest.due_at.astimezone(rule_history.rule_then(session, digest.due_at).zone),
        cutoff=now,
        comparisons=tuple(_part(comparison, figures) for comparison in compared),
        movers=_movers(session, now),
    )


def _part(comparison: Comparison, figures: dict[int, tallies.Figures]) -> ComparisonPart:
    first, second = (_tool(tool, figures[tool.id]) for tool in comparison.tools)
    reviews = sum(len(tool.reviews) for tool in comparison.tools)
    return ComparisonPart(comparison.slug, comparison.question, (first, second), reviews)


def _tool(tool: Tool, figures: tallies.Figures) -> ToolPart:
    return ToolPart(
        slug=tool.slug, name=tool.name, category=tool.category, tagline=tool.tagline, entry=tool.entry,
        panel=Score(*tool.panel), community=Score(figures.ship, figures.skip),
        quote_for=_first(tool, "ship"), quote_against=_first(tool, "skip"),
    )  # fmt: skip


def _first(tool: Tool, verdict: rules.Choice) -> Quote | None:
    said = (review for review in tool.reviews if review.verdict == verdict)
    return next((Quote(review.reviewer.name, review.verdict, review.quote) for review in said), None)


def _movers(session: Session, now: datetime) -> tuple[Mover, ...]:
    """The tools whose community ship changed most in seven days, in points."""
    before = tallies.figures_at_start_of(session, (now - timedelta(days=7)).date())
    after = tallies.figures(session, before)
    moved = []
    for tool_id, then in before.items():
        seen = after[tool_id]
        was, became = rules.share(then.ship, then.skip), rules.share(seen.ship, seen.skip)
        enough = min(then.ship + then.skip, seen.ship + seen.skip) >= MOVER_VOTES
        if enough and was is not None and became is not None and was != became:
            moved.append((abs(became - was), tool_id, was, became))
    top = sorted(moved, reverse=True)[:MOVERS]
    tools = catalog.tools(session, [tool_id for _, tool_id, _, _ in top])
    return tuple(Mover(tools[each].slug, tools[each].name, was, became) for _, each, was, became in top)
