"""Readers' pages: home, the archive, a comparison, a tool, a past digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, render_template, request

from db import moments
from db.digests import catalog, digests
from db.digests.catalog import Comparison, Review, Reviewer, Tool
from db.rules import share
from db.session import Session, reading
from db.settings import settings
from db.votes import tallies
from db.votes.tallies import Figures
from emails.letters import DigestContent, day
from web import visitor
from web.readers import metadata
from web.readers.metadata import Page
from web.readers.scores import Trend, trend_line

blueprint = Blueprint("pages", __name__)

ON_HOME = 8
ON_A_PAGE = 20
"""Comparisons in the archive, a page."""


@dataclass(frozen=True, slots=True)
class ListedComparison:
    """A tool with its figures, as a row of a small table."""

    slug: str
    name: str
    panel: tuple[int, int]
    community: tuple[int, int]


def shown(comparison: Comparison, figures: Mapping[int, Figures]) -> list[ListedComparison]:
    """The two tools of a comparison with their current figures."""
    return [
        ListedComparison(tool.slug, tool.name, tool.panel, (figures[tool.id].ship, figures[tool.id].skip))
        for tool in comparison.tools
    ]


@blueprint.get("/")
def home() -> str:
    now = moments.now()
    with reading() as session:
        found = catalog.latest(session, now, ON_HOME)
        more = len(found) == ON_HOME and catalog.count_published(session, now) > ON_HOME
        figures = _figures(session, found)
        last = digests.latest_slot(session)
    page = metadata.of_site()
    return render_template(
        "home.html", here="home", page=page, comparisons=found, figures=figures, more=more, last_digest=last,
        subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/archive")
def archive() -> str:
    number = request.args.get("page", "1")
    if not (number.isascii() and number.isdigit() and 1 <= len(number) <= 6 and int(number)):
        abort(404, "The archive has no such page; its first page is 1.")
    now, place = moments.now(), int(number)
    with reading() as session:
        found = catalog.latest(session, now, ON_A_PAGE, (place - 1) * ON_A_PAGE)
        count = catalog.count_published(session, now)
        figures = _figures(session, found)
        last = digests.latest_slot(session)
    pages = max(1, -(-count // ON_A_PAGE))
    if place > pages:
        abort(404, f"The archive’s last page is {pages}.")
    path = "/archive" if place == 1 else f"/archive?page={place}"
    page = Page(path, f"Archive · {settings().site_name}", "Every comparison, latest first.")
    return render_template(
        "archive.html", here="archive", page=page, comparisons=found, figures=figures, count=count, place=place,
        pages=pages, last_digest=last, subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/compare/<slug:slug>")
def comparison(slug: str) -> str:
    now = moments.now()
    with reading() as session:
        found = catalog.comparison(session, slug, now)
        if found is None:
            abort(404, "There’s no comparison here, or it isn’t published yet. The archive lists them all.")
        figures = _figures(session, [found])
        trends = {tool.id: _trend(session, tool.id, figures[tool.id], now) for tool in found.tools}
        last = digests.latest_slot(session)
    return render_template(
        "comparison.html", page=metadata.of_comparison(found, figures), comparison=found, figures=figures,
        trends=trends, scorecard=_scorecard(*found.tools), last_digest=last, subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/tools/<slug:slug>")
def tool(slug: str) -> str:
    now = moments.now()
    with reading() as session:
        found = catalog.tool(session, slug)
        if found is None:
            abort(404, "There’s no tool at this address. The archive lists every comparison and its tools.")
        stands = catalog.comparisons_of(session, found.id, now)
        figures = _figures(session, stands, found)
        trend = _trend(session, found.id, figures[found.id], now)
        last = digests.latest_slot(session)
    return render_template(
        "tool.html", page=metadata.of_tool(found, figures[found.id]), tool=found, figures=figures, trend=trend,
        comparisons=stands, last_digest=last, subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/digests/<slug:slot>")
def digest(slot: str) -> str:
    with reading() as session:
        found = digests.by_slot(session, slot)
        if found is None or found.content is None or found.frozen_at is None:
            abort(404, f"No digest was sent for {slot}. The archive lists every comparison.")
        content = DigestContent.from_json(found.content)
        last = digests.latest_slot(session)
    heads = " · ".join(part.heading for part in content.comparisons)
    page = Page(f"/digests/{slot}", f"Digest of {day(content.due)}", metadata.short(heads), "article")
    return render_template(
        "digest.html", here=slot, page=page, content=content, last_digest=last, subscribe_at="#join_us"
    )


def _figures(session: Session, comparisons: list[Comparison], *more: Tool) -> dict[int, Figures]:
    tools = {tool.id for each in comparisons for tool in each.tools} | {tool.id for tool in more}
    return tallies.figures(session, sorted(tools), visitor.voter())


def _trend(session: Session, tool_id: int, figures: Figures, now: datetime) -> Trend | None:
    points = tallies.trend(session, tool_id, now.date())
    # The line ends at the figure that is shown beside it, which already includes the reader's own vote.
    return trend_line([*points[:-1], (points[-1][0], share(figures.ship, figures.skip))])


def _scorecard(a: Tool, b: Tool) -> list[tuple[Reviewer, Review | None, Review | None]]:
    """Each reviewer with their reviews of the two tools, in the order of the reviews."""
    of_a, of_b = ({review.reviewer.id: review for review in tool.reviews} for tool in (a, b))
    order = {review.reviewer.id: review.reviewer for review in (*a.reviews, *b.reviews)}
    return [(reviewer, of_a.get(key), of_b.get(key)) for key, reviewer in order.items()]
