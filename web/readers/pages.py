"""Readers' pages: home, the archive, a comparison, a tool, a past digest."""

from flask import Blueprint, abort, request

from db import moments
from db.digests import catalog, digests, shown
from db.digests.shown import ShownComparison, ShownReview, ShownTool
from db.session import Session, reading
from db.settings import settings
from db.votes import tallies
from db.votes.tallies import Figures
from emails.letters import DigestContent, day
from web.readers import metadata
from web.readers.answers import kept_page
from web.readers.metadata import Page
from web.readers.places import Pieces, render

blueprint = Blueprint("pages", __name__)

ON_HOME = 8
ON_A_PAGE = 20
"""Comparisons in the archive, a page."""


@blueprint.get("/")
@kept_page
def home() -> Pieces:
    now = moments.now()
    with reading() as session:
        found = shown.latest(session, now, ON_HOME)
        more = len(found) == ON_HOME and catalog.count_published(session, now) > ON_HOME
        figures = _figures(session, found)
        last = shown.latest_slot(session)
    page = metadata.of_site()
    return render(
        "home.html", figures, here="home", page=page, comparisons=found, more=more, last_digest=last,
        subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/archive")
@kept_page
def archive() -> Pieces:
    number = request.args.get("page", "1")
    if not (number.isascii() and number.isdigit() and 1 <= len(number) <= 6 and int(number)):
        abort(404, "The archive has no such page; its first page is 1.")
    now, place = moments.now(), int(number)
    with reading() as session:
        found = shown.latest(session, now, ON_A_PAGE, (place - 1) * ON_A_PAGE)
        count = catalog.count_published(session, now)
        figures = _figures(session, found)
        last = shown.latest_slot(session)
    pages = max(1, -(-count // ON_A_PAGE))
    if place > pages:
        abort(404, f"The archive’s last page is {pages}.")
    path = "/archive" if place == 1 else f"/archive?page={place}"
    page = Page(path, f"Archive · {settings().site_name}", "Every comparison, latest first.")
    return render(
        "archive.html", figures, here="archive", page=page, comparisons=found, count=count, page_number=place,
        pages=pages, last_digest=last, subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/compare/<slug:slug>")
@kept_page
def comparison(slug: str) -> Pieces:
    now = moments.now()
    with reading() as session:
        found = shown.comparison(session, slug, now)
        if found is None:
            abort(404, "There’s no comparison here, or it isn’t published yet. The archive lists them all.")
        figures, trends = tallies.shown(session, [tool.id for tool in found.tools], now.date())
        last = shown.latest_slot(session)
    return render(
        "comparison.html", figures, page=metadata.of_comparison(found), comparison=found,
        trends=trends, scorecard=_scorecard(*found.tools), last_digest=last, subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/tools/<slug:slug>")
@kept_page
def tool(slug: str) -> Pieces:
    now = moments.now()
    with reading() as session:
        found = shown.tool(session, slug)
        if found is None:
            abort(404, "There’s no tool at this address. The archive lists every comparison and its tools.")
        stands = shown.comparisons_of(session, found.id, now)
        _, trends = tallies.shown(session, [found.id], now.date())
        figures = _figures(session, stands, found)
        last = shown.latest_slot(session)
    return render(
        "tool.html", figures, page=metadata.of_tool(found), tool=found,
        trend=tuple(trends[found.id]), comparisons=stands, last_digest=last, subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/digests/<slug:slot>")
@kept_page
def digest(slot: str) -> Pieces:
    with reading() as session:
        found = digests.by_slot(session, slot)
        if found is None or found.content is None or found.frozen_at is None:
            abort(404, f"No digest was sent for {slot}. The archive lists every comparison.")
        content = DigestContent.from_json(found.content)
        last = shown.latest_slot(session)
    heads = " · ".join(part.heading for part in content.comparisons)
    page = Page(f"/digests/{slot}", f"Digest of {day(content.due)}", metadata.short(heads), "article")
    return render("digest.html", {}, here=slot, page=page, content=content, last_digest=last, subscribe_at="#join_us")


def _figures(session: Session, comparisons: list[ShownComparison], *more: ShownTool) -> dict[int, Figures]:
    tools = {tool.id for each in comparisons for tool in each.tools} | {tool.id for tool in more}
    return tallies.shown(session, sorted(tools), moments.now().date(), 0)[0]


def _scorecard(a: ShownTool, b: ShownTool) -> list[tuple[ShownReview, ShownReview | None, ShownReview | None]]:
    """Each reviewer's reviews of the two tools, in the order of the reviews; first one that names the reviewer."""
    of_a, of_b = ({review.reviewer_id: review for review in tool.reviews} for tool in (a, b))
    order = {review.reviewer_id: review for review in (*b.reviews, *a.reviews)}
    keys = dict.fromkeys(review.reviewer_id for review in (*a.reviews, *b.reviews))
    return [(order[key], of_a.get(key), of_b.get(key)) for key in keys]
