"""Readers' pages: home, the archive, a comparison, a tool, a past digest."""

from datetime import datetime

from flask import Blueprint, abort

from db import moments
from db.digests import digests, shown
from db.digests.shown import ShownComparison, ShownReview, ShownTool
from db.driver import DriverConnection, driver_reading
from db.session import reading
from db.settings import settings
from db.votes import tallies
from db.votes.tallies import Figures
from emails.letters import DigestContent, day
from emails.texts.formats import moment
from emails.texts.verdict_words import readers_say
from web.readers import metadata
from web.readers.answers import kept_page
from web.readers.metadata import Page
from web.readers.places import Pieces, render

blueprint = Blueprint("pages", __name__)

ON_HOME = 8
ON_A_PAGE = 20
"""Comparisons in the archive, a page."""


@blueprint.get("/")
@kept_page()
def home() -> Pieces:
    now = moments.now()
    with driver_reading() as driver:
        found = shown.latest(driver, now, ON_HOME)
        more = len(found) == ON_HOME and shown.count(driver, now) > ON_HOME
        figures = _figures(driver, found)
        last = shown.latest_slot(driver)
    page = metadata.of_site()
    return render(
        "home.html", figures, here="home", page=page, comparisons=found, more=more, last_digest=last,
        subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/archive")
@kept_page("page")
def archive(page: str = "1") -> Pieces:
    if not (page.isascii() and page.isdigit() and 1 <= len(page) <= 6 and int(page)):
        abort(404, "The archive has no such page; its first page is 1.")
    now, place = moments.now(), int(page)
    with driver_reading() as driver:
        found = shown.latest(driver, now, ON_A_PAGE, (place - 1) * ON_A_PAGE)
        count = shown.count(driver, now)
        figures = _figures(driver, found)
        last = shown.latest_slot(driver)
    pages = max(1, -(-count // ON_A_PAGE))
    if place > pages:
        abort(404, f"The archive’s last page is {pages}.")
    path = "/archive" if place == 1 else f"/archive?page={place}"
    head = Page(path, f"Archive · {settings().site_name}", "Every comparison, latest first.")
    return render(
        "archive.html", figures, here="archive", page=head, comparisons=found, count=count, page_number=place,
        pages=pages, last_digest=last, subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/compare/<slug:slug>")
@kept_page()
def comparison(slug: str) -> Pieces:
    now = moments.now()
    with driver_reading() as driver:
        found = shown.comparison(driver, slug, now)
        if found is None:
            abort(404, "There’s no comparison here, or it isn’t published yet. The archive lists them all.")
        figures, trends = tallies.shown(driver, [tool.id for tool in found.tools], now.date())
        last = shown.latest_slot(driver)
    return render(
        "comparison.html", figures, page=metadata.of_comparison(found), comparison=found,
        trends=trends, scorecard=_scorecard(*found.tools), last_digest=last, subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/tools/<slug:slug>")
@kept_page()
def tool(slug: str) -> Pieces:
    now = moments.now()
    with driver_reading() as driver:
        found = shown.tool(driver, slug)
        if found is None:
            abort(404, "There’s no tool at this address. The archive lists every comparison and its tools.")
        stands = shown.comparisons_of(driver, found.id, now)
        _, trends = tallies.shown(driver, [found.id], now.date())
        figures = _figures(driver, stands, found)
        last = shown.latest_slot(driver)
    return render(
        "tool.html", figures, page=metadata.of_tool(found), tool=found,
        trend=tuple(trends[found.id]), comparisons=stands, last_digest=last, subscribe_at="#join_us",
    )  # fmt: skip


@blueprint.get("/digests/<slug:slot>")
@kept_page()
def digest(slot: str) -> Pieces:
    with reading() as session:
        found = digests.by_slot(session, slot)
        if found is None or found.content is None or found.frozen_at is None:
            abort(404, f"No digest was sent for {slot}. The archive lists every comparison.")
        content = DigestContent.from_json(found.content)
        last = digests.latest_slot(session)
    heads = " · ".join(part.heading for part in content.comparisons)
    page = Page(f"/digests/{slot}", f"Digest of {day(content.cutoff)}", metadata.short(heads), "article")
    return render(
        "digest.html", {}, here=slot, page=page, content=content, frozen=_frozen(content.cutoff),
        last_said=" ".join(readers_say(content.last_week, 120)) if content.last_week else "",
        last_digest=last, subscribe_at="#join_us",
    )  # fmt: skip


def _frozen(at: datetime) -> dict[str, str]:
    """The moment of a freeze as the letter tells it, in the zone of that time, whatever the settings say today."""
    return {
        "date": at.date().isoformat(),
        "day": day(at),
        "iso": at.isoformat(timespec="minutes"),
        "moment": moment(at),
    }


def _figures(driver: DriverConnection, comparisons: list[ShownComparison], *more: ShownTool) -> dict[int, Figures]:
    tools = {tool.id for each in comparisons for tool in each.tools} | {tool.id for tool in more}
    return tallies.shown(driver, sorted(tools), moments.now().date(), 0)[0]


def _scorecard(a: ShownTool, b: ShownTool) -> list[tuple[ShownReview, ShownReview | None, ShownReview | None]]:
    """Each reviewer's reviews of the two tools, in the order of the reviews; first one that names the reviewer."""
    of_a, of_b = ({review.reviewer_id: review for review in tool.reviews} for tool in (a, b))
    order = {review.reviewer_id: review for review in (*b.reviews, *a.reviews)}
    keys = dict.fromkeys(review.reviewer_id for review in (*a.reviews, *b.reviews))
    return [(order[key], of_a.get(key), of_b.get(key)) for key in keys]
