"""Gathers a digest's content: the new comparisons, their figures and quotes, last week's result, and the movers."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db import rules
from db.digests import catalog, digests, rule_history
from db.digests.catalog import Comparison, Tool
from db.digests.digests import Digest
from db.votes import tallies
from emails.letters import ComparisonPart, DigestContent, Mover, Quote, Score, ToolPart

MOVERS, MOVER_VOTES = 3, 5
"""The most movers to list, and the fewest votes that a tool needs at both ends of the week."""


def content(session: Session, digest: Digest, compared: list[Comparison], now: datetime) -> DigestContent:
    """The slot's whole content, with the figures as of this transaction."""
    zone = rule_history.rule_then(session, digest.due_at).zone
    last_slot, last = last_led(session, digest, now)
    figures = tallies.figures(session, tool_ids([*compared, last] if last else compared))
    last_week = _last_week(last, figures) if last else None
    return DigestContent(
        slot=digest.slot,
        due=digest.due_at.astimezone(zone),
        cutoff=now.astimezone(zone),
        comparisons=tuple(_part(comparison, figures) for comparison in compared),
        movers=_movers(session, now),
        last_week=last_week,
        last_slot=last_slot if last_week else None,
    )


def tool_ids(compared: Iterable[Comparison]) -> set[int]:
    """The ids of the tools in these comparisons."""
    return {tool.id for comparison in compared for tool in comparison.tools}


def last_led(session: Session, digest: Digest, now: datetime) -> tuple[str | None, Comparison | None]:
    """The slot of the digest that went out before this one, and the comparison that led it, if it still exists."""
    before = digests.latest_but(session, digest.slot)
    parts = before.content.get("comparisons") if before and before.content else None
    if before is None or not parts:
        return None, None
    return before.slot, catalog.comparison(session, parts[0]["slug"], now)


def _last_week(last: Comparison, figures: dict[int, tallies.Figures]) -> ComparisonPart | None:
    """Last week's comparison with its figures as of now, without quotes; None if nobody has voted on it."""
    part = _part(last, figures)
    first, second = (replace(tool, quote_for=None, quote_against=None) for tool in part.tools)
    voted = any(tool.community.ship + tool.community.skip for tool in part.tools)
    return replace(part, tools=(first, second)) if voted else None


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
