"""Content files: tools, reviews and comparisons in YAML, validated with line numbers before anything is stored.

The form (YAML): `reviewers` (name, lens), `tools` (slug, name, category, tagline, entry, url, summary, reviews) and
`comparisons` (slug, tools, question, publish_at, archive). `archive: true` at the top holds for all its comparisons.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from db.digests import archive, catalog, rule_history
from db.rules import Choice, control_in, plain
from db.session import Session
from db.settings import settings
from web.actions.yaml_lines import Lined, Unreadable, read
from worker import digests as run

LARGEST = 20 * 2**20
"""The largest file in bytes; a year's comparisons take less than one megabyte."""


class BadContent(ValueError):
    """Content files that cannot be loaded; `problems` are sentences, each with its file, line and field."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


# ---- the form ------------------------------------------------------------------------------------------------


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


# ---- reading ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ContentFile:
    """One file's content with the line of each part."""

    name: str
    content: Content
    lined: Lined

    def at(self, *place: str | int) -> str:
        return f"{self.name}:{self.lined.line(place)}: {Lined.field(place)}"


def read_files(paths: Iterable[Path]) -> list[ContentFile]:
    """Read and validate content files. Raises BadContent with every problem in any of them."""
    files, problems = [], []
    for path in paths:
        try:
            files.append(_read(path))
        except BadContent as bad:
            problems += bad.problems
    if problems:
        raise BadContent(problems)
    return files


def _read(path: Path) -> ContentFile:
    try:
        if path.stat().st_size > LARGEST:
            raise BadContent([f"{path}: is larger than {LARGEST // 2**20} MB; split it into several files"])
        lined = read(path.read_bytes())
    except OSError as error:
        raise BadContent([f"{path}: cannot be read: {error.strerror}"]) from None
    except Unreadable as error:
        raise BadContent([f"{path}:{error.line}: {error}"]) from None
    try:
        return ContentFile(str(path), Content.model_validate(lined.value), lined)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise BadContent([_sentence(str(path), lined, each) for each in found[:50]]) from None


_SAYINGS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here; see the form in docs/editors.md",
    "string_type": "must be text; put it in quotes",
    "list_type": "must be a list, each entry on a line that begins with a dash",
    "model_type": "must have fields of its own, such as name: …",
    "literal_error": "must be ship or skip",
    "bool_type": "must be true or false",
    "string_pattern_mismatch": "must be lower-case letters, digits and single hyphens, such as second-pair",
}


def _sentence(name: str, lined: Lined, error: Any) -> str:
    place = tuple(error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    if kind == "string_too_long":
        said = f"is longer than {context['max_length']} characters"
    elif kind in ("too_short", "too_long"):
        said = "must name exactly two tools"
    elif kind == "value_error":
        said = str(context["error"])
    else:
        said = _SAYINGS.get(kind, error["msg"])
    return f"{name}:{lined.line(place)}: {Lined.field(place)} {said}"


# ---- loading ---------------------------------------------------------------------------------------------------


def load(
    session: Session, files: list[ContentFile], now: datetime, *, archived: bool = False
) -> dict[str, dict[str, int]]:
    """Store the content, or raise BadContent and change nothing. Returns how many of each were added or changed.

    With `archived` all comparisons are published without a digest, also those that exist and stand in none yet.
    """
    check_whole(session, files)
    done: dict[str, dict[str, int]] = {sort: {} for sort in ("reviewers", "tools", "comparisons")}

    def count(sort: str, outcome: str) -> None:
        done[sort][outcome] = done[sort].get(outcome, 0) + 1

    for file in files:
        for reviewer in file.content.reviewers:
            count("reviewers", catalog.put_reviewer(session, reviewer.name, reviewer.lens))
    for file in files:
        for tool in file.content.tools:
            fields = tool.model_dump(exclude={"slug", "reviews"})
            reviews = [(review.reviewer, review.verdict, review.quote) for review in tool.reviews]
            count("tools", catalog.put_tool(session, tool.slug, fields, reviews))
    for file in files:
        for comparison in file.content.comparisons:
            pair = comparison.tools[0], comparison.tools[1]
            outcome = catalog.put_comparison(
                session, comparison.name, pair, comparison.question, comparison.publish_at, now
            )
            count("comparisons", outcome)
    _archive(session, files, now, archived, count)
    return done


def _archive(
    session: Session, files: list[ContentFile], now: datetime, every: bool, count: Callable[[str, str], None]
) -> None:
    """Archive and unarchive what the files say, or archive all; the open drafts follow."""
    said: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for file in files:
        for comparison in file.content.comparisons:
            said[every or file.content.is_archived(comparison)].append(comparison.name)
    changed = {
        "archived": archive.archive(session, said[True], now),
        "unarchived": archive.unarchive(session, said[False]),
    }
    for outcome, slugs in changed.items():
        for _ in slugs:
            count("comparisons", outcome)
    if any(changed.values()):
        run.refresh_drafts(session, now)


def unseen(session: Session, files: list[ContentFile], now: datetime) -> int:
    """How many comparisons that are not here yet would stand in the next digest, without a word of the files on it."""
    known = catalog.comparison_slugs(session)
    due = next((each.due for each in rule_history.to_come(session, now, now + rule_history.AHEAD)), now)
    return sum(
        comparison.name not in known
        and file.content.is_archived(comparison) is None
        and (comparison.publish_at or now) <= due
        for file in files
        for comparison in file.content.comparisons
    )


def check_whole(session: Session, files: list[ContentFile]) -> None:
    """Problems across files: duplicate names, and references to names that do not exist."""
    problems: list[str] = []
    reviewers = _unique(files, "reviewers", "name", problems) | catalog.reviewer_names(session)
    tools = _unique(files, "tools", "slug", problems) | catalog.tool_slugs(session)
    _unique(files, "comparisons", "name", problems)
    for file in files:
        for i, tool in enumerate(file.content.tools):
            said: set[str] = set()
            for j, review in enumerate(tool.reviews):
                where = file.at("tools", i, "reviews", j, "reviewer")
                if review.reviewer not in reviewers:
                    problems.append(f"{where} is {review.reviewer!r}, whom no list of reviewers names")
                if review.reviewer in said:
                    problems.append(f"{where} is {review.reviewer!r}, who has reviewed {tool.slug} already")
                said.add(review.reviewer)
        for i, comparison in enumerate(file.content.comparisons):
            for j, slug in enumerate(comparison.tools):
                if slug not in tools:
                    problems.append(f"{file.at('comparisons', i, 'tools', j)} is {slug!r}, a tool that is not there")
            if comparison.tools[0] == comparison.tools[1]:
                problems.append(f"{file.at('comparisons', i, 'tools')} names the same tool twice")
    if problems:
        raise BadContent(problems)


def _unique(files: list[ContentFile], sort: str, field: str, problems: list[str]) -> set[str]:
    first: dict[str, str] = {}
    for file in files:
        for i, part in enumerate(getattr(file.content, sort)):
            key, where = getattr(part, field), file.at(sort, i)
            if key in first:
                problems.append(f"{where} has the {field} {key!r} again; it was first given at {first[key]}")
            first.setdefault(key, where.rpartition(": ")[0])
    return set(first)
