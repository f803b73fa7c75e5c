"""The form of content files: which fields reviewers, tools and comparisons have, and what may stand in them.

In YAML: `reviewers` (name, lens), `tools` (slug, name, category, tagline, entry, url, summary, reviews) and
`comparisons` (slug, tools, question, publish_at, archive). `archive: true` at the top holds for all its comparisons.
"""

from datetime import UTC, date, datetime, time
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from db.rules import Choice, control_in, plain
from db.settings import settings


def _clean(value: str) -> str:
    if (bad := control_in(value)) is not None:
        raise ValueError(f"holds the control character U+{ord(bad):04X}; take it out")
    shown = plain(value)
    if not any(char.isprintable() and char != " " for char in shown):
        raise ValueError("is empty")
    return shown


def _link(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(char in value for char in " \"'<>\\`"):
        raise ValueError("is no web address; write one that begins with https://")
    return value


def _moment(value: object) -> object:
    """A time without a zone is in the newsletter's zone; a date alone is its midnight."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("is no date; write one such as 2026-11-17 or 2026-11-17T09:00:00+01:00") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError("is no date; write one such as 2026-11-17 or 2026-11-17T09:00:00+01:00")
    try:
        return (value if value.tzinfo else value.replace(tzinfo=settings().digest_timezone)).astimezone(UTC)
    except OverflowError:
        raise ValueError("lies beyond the years that a calendar has") from None


Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
Url = Annotated[str, Field(max_length=2000), AfterValidator(_clean), AfterValidator(_link)]
Entrance = Annotated[str, Field(max_length=40), AfterValidator(_clean)]
Name = Annotated[str, Field(max_length=120), AfterValidator(_clean)]
OneLine = Annotated[str, Field(max_length=240), AfterValidator(_clean)]
Words = Annotated[str, Field(max_length=1000), AfterValidator(_clean)]
Prose = Annotated[str, Field(max_length=6000), AfterValidator(_clean)]


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ReviewerItem(_Item):
    name: Name
    lens: OneLine


class ReviewItem(_Item):
    reviewer: Name
    verdict: Choice
    quote: Prose


class ToolItem(_Item):
    slug: Slug
    name: Name
    category: Name
    tagline: OneLine
    entry: Entrance
    url: Url
    summary: Prose
    reviews: list[ReviewItem] = []


class ComparisonItem(_Item):
    slug: Slug | None = None
    tools: Annotated[list[Slug], Field(min_length=2, max_length=2)]
    question: Words
    publish_at: Annotated[datetime | None, BeforeValidator(_moment)] = None
    archive: bool | None = None

    @property
    def name(self) -> str:
        return self.slug or "-vs-".join(self.tools)


class Content(_Item):
    reviewers: list[ReviewerItem] = []
    tools: list[ToolItem] = []
    comparisons: list[ComparisonItem] = []
    archive: bool | None = None

    def is_archived(self, comparison: ComparisonItem) -> bool | None:
        """Whether the file publishes it without a digest; None where the file says nothing."""
        return self.archive if comparison.archive is None else comparison.archive
