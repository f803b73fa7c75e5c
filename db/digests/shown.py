"""The catalog as readers' pages show it: plain values, read past SQLAlchemy's objects, which cost more than the page.

Measured (decision 12): seven questions and their objects were 2.6 of a comparison page's 4.2 ms.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from db.digests.digests import GONE
from db.driver import DriverConnection, moment_of
from db.rules import Choice


class ShownReview(NamedTuple):
    """One reviewer's verdict and quote."""

    reviewer_id: int
    reviewer: str
    lens: str
    verdict: Choice
    quote: str


class ShownTool(NamedTuple):
    """A tool with its reviews; `panel` is how many of them say ship, and skip."""

    id: int
    slug: str
    name: str
    category: str
    tagline: str
    entry: str
    url: str
    summary: str
    reviews: tuple[ShownReview, ...]
    panel: tuple[int, int]


class ShownComparison(NamedTuple):
    """A published comparison with its two tools."""

    slug: str
    question: str
    publish_at: datetime
    a: ShownTool
    b: ShownTool

    @property
    def heading(self) -> str:
        return f"{self.a.name} vs {self.b.name}"

    @property
    def tools(self) -> tuple[ShownTool, ShownTool]:
        return self.a, self.b


_FIELDS = ShownTool._fields[:8]
_A, _B = (", ".join(f"{side}.{field}" for field in _FIELDS) for side in "ab")
_PUBLISHED = (
    f"SELECT c.slug, c.question, c.publish_at, {_A}, {_B} FROM comparisons c"
    " JOIN tools a ON a.id = c.a_id JOIN tools b ON b.id = c.b_id WHERE c.publish_at <= ?"
)
_NEWEST = " ORDER BY c.publish_at DESC, c.id DESC"
_COUNT = "SELECT count(*) FROM comparisons WHERE publish_at <= ?"
_TOOL = f"SELECT {', '.join(_FIELDS)} FROM tools WHERE slug = ?"
_REVIEWS = (
    "SELECT r.tool_id, w.id, w.name, w.lens, r.verdict, r.quote FROM reviews r JOIN reviewers w ON w.id = r.reviewer_id"
    " WHERE r.tool_id IN ({}) ORDER BY r.tool_id, r.position"
)
_IS_GONE = ", ".join(f"'{state}'" for state in GONE)
_LAST_DIGEST = f"SELECT slot FROM digests WHERE state IN ({_IS_GONE}) ORDER BY frozen_at DESC, id DESC LIMIT 1"


def comparison(driver: DriverConnection, slug: str, now: datetime) -> ShownComparison | None:
    """The published comparison of that slug."""
    return next(iter(_comparisons(driver, now, " AND c.slug = ?", (slug,))), None)


def latest(driver: DriverConnection, now: datetime, limit: int, offset: int = 0) -> list[ShownComparison]:
    """Published comparisons, newest first."""
    return _comparisons(driver, now, f"{_NEWEST} LIMIT ? OFFSET ?", (limit, offset))


def comparisons_of(driver: DriverConnection, tool_id: int, now: datetime) -> list[ShownComparison]:
    """Published comparisons of the tool, newest first."""
    return _comparisons(driver, now, f" AND (c.a_id = ? OR c.b_id = ?){_NEWEST}", (tool_id, tool_id))


def count(driver: DriverConnection, now: datetime) -> int:
    """The number of published comparisons."""
    return int(driver.fetch(_COUNT, (driver.at(now),))[0][0])


def tool(driver: DriverConnection, slug: str) -> ShownTool | None:
    rows = driver.fetch(_TOOL, (slug,))
    return _tools(driver, rows)[0] if rows else None


def latest_slot(driver: DriverConnection) -> str | None:
    """The slot of the newest digest that has begun to go out; every page shows it."""
    rows = driver.fetch(_LAST_DIGEST, ())
    return rows[0][0] if rows else None


def _comparisons(driver: DriverConnection, now: datetime, more: str, values: Sequence[Any]) -> list[ShownComparison]:
    rows = driver.fetch(_PUBLISHED + more, (driver.at(now), *values))
    end = 3 + len(_FIELDS)
    sides = [side for row in rows for side in (row[3:end], row[end:])]
    tools = iter(_tools(driver, sides))
    return [ShownComparison(row[0], row[1], _moment(row[2]), next(tools), next(tools)) for row in rows]


def _tools(driver: DriverConnection, rows: Sequence[Sequence[Any]]) -> list[ShownTool]:
    """The tools of these rows, in their order, with their reviews."""
    reviews: dict[int, list[ShownReview]] = defaultdict(list)
    ids = sorted({row[0] for row in rows})
    if ids:
        marks = ", ".join("?" * len(ids))
        for tool_id, *review in driver.fetch(_REVIEWS.format(marks), ids):
            reviews[tool_id].append(ShownReview(*review))
    return [_tool(row, reviews[row[0]]) for row in rows]


def _tool(row: Sequence[Any], reviews: list[ShownReview]) -> ShownTool:
    ship = sum(review.verdict == "ship" for review in reviews)
    return ShownTool._make((*row, tuple(reviews), (ship, len(reviews) - ship)))


def _moment(kept: Any) -> datetime:
    found = moment_of(kept)
    assert found is not None
    return found
