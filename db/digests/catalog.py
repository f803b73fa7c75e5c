"""The catalog: tools, the panel's reviews of them, and comparisons of two tools."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship, selectinload

from db.jobs import jobs
from db.jobs.events import ComparisonPublished
from db.register import Plain, ReviewerName
from db.rules import Choice
from db.session import NEVER_REUSED, BigId, Key, Row


class Reviewer(Row):
    """One lens of the panel."""

    __tablename__ = "reviewers"
    __table_args__ = (NEVER_REUSED,)

    id: Mapped[Key]
    name: Mapped[ReviewerName] = mapped_column(unique=True)
    lens: Mapped[Plain]


class Tool(Row):
    """An AI product under review."""

    __tablename__ = "tools"
    __table_args__ = (NEVER_REUSED,)

    id: Mapped[Key]
    slug: Mapped[Plain] = mapped_column(unique=True)
    name: Mapped[Plain]
    category: Mapped[Plain]
    tagline: Mapped[Plain]
    entry: Mapped[Plain]
    url: Mapped[Plain]
    summary: Mapped[Plain] = mapped_column(Text)
    reviews: Mapped[list["Review"]] = relationship(order_by="Review.position", cascade="all, delete-orphan")

    @property
    def panel(self) -> tuple[int, int]:
        """The number of the tool's reviews that say ship, and that say skip."""
        ship = sum(review.verdict == "ship" for review in self.reviews)
        return ship, len(self.reviews) - ship


class Review(Row):
    """One reviewer's verdict and quote on one tool."""

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("tool_id", "reviewer_id"),
        CheckConstraint("verdict in ('ship', 'skip')", name="verdict"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    tool_id: Mapped[int] = mapped_column(BigId, ForeignKey("tools.id"))
    reviewer_id: Mapped[int] = mapped_column(BigId, ForeignKey("reviewers.id"))
    position: Mapped[int]
    verdict: Mapped[Choice]
    quote: Mapped[Plain] = mapped_column(Text)
    reviewer: Mapped[Reviewer] = relationship()


class Comparison(Row):
    """Two tools side by side under one question."""

    __tablename__ = "comparisons"
    __table_args__ = (Index("ix_comparisons_publish_at", "publish_at", "id"), NEVER_REUSED)

    id: Mapped[Key]
    slug: Mapped[Plain] = mapped_column(unique=True)
    question: Mapped[Plain] = mapped_column(Text)
    a_id: Mapped[int] = mapped_column(BigId, ForeignKey("tools.id"))
    b_id: Mapped[int] = mapped_column(BigId, ForeignKey("tools.id"))
    publish_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
    """Since when it is published without a digest."""
    passed_over_at: Mapped[datetime | None]
    """When an upgrade found that the 14-day look-back of 0.2.0 had left it out of every digest; cleared once an editor
    releases a digest with it."""
    a: Mapped[Tool] = relationship(foreign_keys=[a_id])
    b: Mapped[Tool] = relationship(foreign_keys=[b_id])

    @property
    def heading(self) -> str:
        return f"{self.a.name} vs {self.b.name}"

    @property
    def tools(self) -> tuple[Tool, Tool]:
        return self.a, self.b


WHOLE = tuple(
    joinedload(side).selectinload(Tool.reviews).joinedload(Review.reviewer) for side in (Comparison.a, Comparison.b)
)


# ---- queries -----------------------------------------------------------------------------------------------


def latest(session: Session, now: datetime, limit: int, offset: int = 0) -> list[Comparison]:
    """Published comparisons, newest first, each with its tools and their reviews."""
    query = select(Comparison).where(Comparison.publish_at <= now).options(*WHOLE)
    newest = query.order_by(Comparison.publish_at.desc(), Comparison.id.desc())
    return list(session.scalars(newest.limit(limit).offset(offset)))


def comparison(session: Session, slug: str, now: datetime) -> Comparison | None:
    """The published comparison of that slug."""
    query = select(Comparison).where(Comparison.slug == slug, Comparison.publish_at <= now)
    return session.scalars(query.options(*WHOLE)).first()


def tool(session: Session, slug: str) -> Tool | None:
    query = select(Tool).where(Tool.slug == slug)
    return session.scalars(query.options(selectinload(Tool.reviews).joinedload(Review.reviewer))).first()


def tool_id(session: Session, slug: str) -> int | None:
    return session.scalar(select(Tool.id).where(Tool.slug == slug))


def tool_ids(session: Session, slugs: Sequence[str]) -> list[int]:
    """The ids of these tools, in the same order; 0 for a tool that does not exist."""
    found = dict(session.execute(select(Tool.slug, Tool.id).where(Tool.slug.in_(slugs))).all())
    return [found.get(slug, 0) for slug in slugs]


def tools(session: Session, ids: list[int]) -> dict[int, Tool]:
    return {found.id: found for found in session.scalars(select(Tool).where(Tool.id.in_(ids)))}


def comparisons_of(session: Session, tool_id: int, now: datetime) -> list[Comparison]:
    """Published comparisons of the tool, newest first."""
    stands = (Comparison.a_id == tool_id) | (Comparison.b_id == tool_id)
    query = select(Comparison).where(stands, Comparison.publish_at <= now).options(*WHOLE)
    return list(session.scalars(query.order_by(Comparison.publish_at.desc(), Comparison.id.desc())))


def slugs_of(session: Session, comparison_ids: Iterable[int]) -> list[str]:
    """The slugs of these comparisons, the oldest first."""
    query = select(Comparison.slug).where(Comparison.id.in_(list(comparison_ids))).order_by(Comparison.id)
    return list(session.scalars(query))


def reviewer_names(session: Session) -> set[str]:
    return set(session.scalars(select(Reviewer.name)))


def tool_slugs(session: Session) -> set[str]:
    return set(session.scalars(select(Tool.slug)))


def comparison_slugs(session: Session) -> set[str]:
    return set(session.scalars(select(Comparison.slug)))


def is_empty(session: Session) -> bool:
    return session.scalar(select(func.count()).select_from(Tool)) == 0


# ---- changes -----------------------------------------------------------------------------------------------


def put_reviewer(session: Session, name: str, lens: str) -> str:
    """Create or update the reviewer of that name. Returns 'added', 'changed' or 'unchanged'."""
    found = session.scalars(select(Reviewer).where(Reviewer.name == name)).first()
    if found is None:
        session.add(Reviewer(name=name, lens=lens))
        session.flush()
        return "added"
    return _change(session, found, {"lens": lens})


def put_tool(session: Session, slug: str, fields: dict[str, str], reviews: list[tuple[str, Choice, str]]) -> str:
    """Create or update the tool of that slug, and replace its reviews (reviewer, verdict, quote)."""
    panel = dict(session.execute(select(Reviewer.name, Reviewer.id)).all())
    found = tool(session, slug)
    outcome = "unchanged"
    if found is None:
        found, outcome = Tool(slug=slug, **fields), "added"
        session.add(found)
        session.flush()
    elif _change(session, found, fields) == "changed":
        outcome = "changed"
    standing = {review.reviewer_id: review for review in found.reviews}
    wanted = {panel[name]: (place, verdict, quote) for place, (name, verdict, quote) in enumerate(reviews)}
    for reviewer_id in standing.keys() - wanted.keys():
        found.reviews.remove(standing[reviewer_id])
        outcome = "changed" if outcome == "unchanged" else outcome
    for reviewer_id, (place, verdict, quote) in wanted.items():
        values = {"position": place, "verdict": verdict, "quote": quote}
        if reviewer_id not in standing:
            found.reviews.append(Review(reviewer_id=reviewer_id, **values))
            outcome = "changed" if outcome == "unchanged" else outcome
        elif _change(session, standing[reviewer_id], values) == "changed" and outcome == "unchanged":
            outcome = "changed"
    session.flush()
    return outcome


def put_comparison(session: Session, slug: str, pair: tuple[str, str], question: str,
                   publish_at: datetime | None, now: datetime) -> str:  # fmt: skip
    """Create or update the comparison of that slug; without `publish_at` a new one is published now."""
    a_id, b_id = (session.scalars(select(Tool.id).where(Tool.slug == side)).one() for side in pair)
    found = session.scalars(select(Comparison).where(Comparison.slug == slug)).first()
    if found is not None:
        fields: dict[str, Any] = {"a_id": a_id, "b_id": b_id, "question": question}
        if publish_at and publish_at != found.publish_at:
            fields |= {"publish_at": publish_at, "passed_over_at": None}
            jobs.record(session, ComparisonPublished(comparison=found.id), now)
        return _change(session, found, fields)
    new = Comparison(slug=slug, question=question, a_id=a_id, b_id=b_id, publish_at=publish_at or now)
    session.add(new)
    session.flush()
    jobs.record(session, ComparisonPublished(comparison=new.id), now)
    return "added"


def _change(session: Session, row: Row, fields: dict[str, Any]) -> str:
    for name, value in fields.items():
        setattr(row, name, value)
    changed = session.is_modified(row)
    session.flush()
    return "changed" if changed else "unchanged"
