"""`verdicts import`: content files are checked as a whole, then stored, all or nothing."""

from collections.abc import Callable
from datetime import datetime

from db.digests import archive, catalog, rule_history
from db.session import Session
from web.actions.content.content_files import BadContent, ContentFile
from worker.digests import drafts


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
        drafts.refresh_drafts(session, now)


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
