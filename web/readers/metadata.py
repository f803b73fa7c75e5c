"""A page's metadata for search engines and link previews (Open Graph, schema.org)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from db.digests.shown import ShownComparison, ShownTool
from db.settings import settings
from web.readers.places import rating_mark


@dataclass(frozen=True, slots=True)
class Page:
    """The head of one page; `data` is its JSON-LD."""

    path: str
    title: str
    description: str
    kind: str = "website"
    data: Mapping[str, Any] | None = None

    @property
    def url(self) -> str:
        return settings().base_url + self.path


def short(text: str, most: int = 200) -> str:
    """The text on one line, cut at a word."""
    words = " ".join(text.split())
    if len(words) <= most:
        return words
    return words[: most - 1].rsplit(" ", 1)[0] + "…"


def of_comparison(comparison: ShownComparison) -> Page:
    path = f"/compare/{comparison.slug}"
    data = {
        "@context": "https://schema.org",
        "@type": "Article",
        "headline": short(comparison.heading, 110),
        "description": short(comparison.question),
        "datePublished": comparison.publish_at.isoformat(),
        "mainEntityOfPage": settings().base_url + path,
        "publisher": _publisher(),
        "about": [_application(tool) for tool in comparison.tools],
    }
    return Page(path, comparison.heading, short(comparison.question), "article", data)


def of_tool(tool: ShownTool) -> Page:
    data = {"@context": "https://schema.org"} | _application(tool)
    return Page(f"/tools/{tool.slug}", tool.name, short(tool.tagline), "article", data)


def of_site() -> Page:
    name = settings().site_name
    description = "Two AI tools side by side every week: what our panel says and how readers vote, ship or skip."
    data = {
        "@context": "https://schema.org",
        "@type": "WebSite",
        "name": name,
        "url": settings().base_url + "/",
        "description": description,
    }
    return Page("/", name, description, data=data)


def _publisher() -> dict[str, Any]:
    return {"@type": "Organization", "name": settings().site_name, "url": settings().base_url + "/"}


def _application(tool: ShownTool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "@type": "SoftwareApplication",
        "name": tool.name,
        "url": tool.url,
        "applicationCategory": tool.category,
        "description": short(tool.tagline),
        "aggregateRating": rating_mark(tool.id),
        "review": [
            {
                "@type": "Review",
                "author": {"@type": "Person", "name": review.reviewer},
                "reviewBody": review.quote,
                "reviewRating": {
                    "@type": "Rating",
                    "ratingValue": int(review.verdict == "ship"),
                    "bestRating": 1,
                    "worstRating": 0,
                    "ratingExplanation": review.verdict,
                },
            }
            for review in tool.reviews
        ],
    }
    return described
