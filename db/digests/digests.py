"""Digests: each weekly run is a row, keyed by its slot (idempotent), so it can be resumed, listed and inspected.

draft ⇄ held → frozen → sending ⇄ paused → finished | cancelled; or skipped (reason), expired.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, Text, bindparam, select, text
from sqlalchemy.orm import Mapped, Session, defer, mapped_column

from db.digests import schedule
from db.digests.owed_slots import MOVED, NOT_OWED
from db.jobs import jobs
from db.jobs.events import DigestCancelled, DigestFrozen
from db.register import Address, FreeText, Plain, ReviewerName, holds
from db.rules import Refused
from db.session import NEVER_REUSED, BigId, Key, Moment, Row, ring

STATES = ("draft", "held", "frozen", "sending", "paused", "finished", "cancelled", "skipped", "expired")
GONE = ("frozen", "sending", "paused", "finished")
"""States of a digest that has begun to go out."""
OF_DIGEST = "(letter, about) >= ('digest', {digest}) AND (letter, about) <= ('digest', {digest})"
IN_ORDER = " ORDER BY letter, about, id"
"""SQL for a digest's waiting letters in order. It uses ranges, because with = PostgreSQL would order by the
primary key and scan all sent letters (306 ms a claim after 400,000 letters)."""


class Digest(Row):
    """One slot's newsletter. Its bodies and content are frozen and never change afterwards.

    `outcomes` stores the number of its letters in each state once it has ended, so that pages need not count them.
    """

    __tablename__ = "digests"
    __table_args__ = (
        CheckConstraint("state in ('" + "', '".join(STATES) + "')", name="state"),
        Index("ix_digests_frozen_at", "frozen_at", "id"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    slot: Mapped[Plain] = mapped_column(unique=True)
    due_at: Mapped[datetime]
    state: Mapped[Plain] = mapped_column(default="draft")
    reason: Mapped[FreeText | None]
    opened_at: Mapped[datetime]
    cutoff: Mapped[datetime | None]
    content: Mapped[Annotated[dict[str, Any], holds("name", "reviewers")] | None] = mapped_column(JSON)
    subject: Mapped[Plain | None]
    preheader: Mapped[Plain | None]
    html: Mapped[ReviewerName | None] = mapped_column(Text, deferred=True)
    text: Mapped[ReviewerName | None] = mapped_column(Text, deferred=True)
    html_sha256: Mapped[Plain | None]
    text_sha256: Mapped[Plain | None]
    renderer: Mapped[Plain | None]
    frozen_at: Mapped[datetime | None]
    freeze: Mapped[int | None] = mapped_column(BigId, ForeignKey("freezes.number"))
    audience: Mapped[int | None]
    addressed_to: Mapped[int] = mapped_column(BigId, default=0)
    finished_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]
    outcomes: Mapped[Annotated[dict[str, int], holds("none")] | None] = mapped_column(JSON(none_as_null=True))
    transport: Mapped[Plain | None]
    """`smtp` or `maildir`, the kind of transport that sends its letters; None until a sender begins it."""
    removed: Mapped[int | None]
    """How many of its deliveries were removed, since their time was over; `outcomes` says what became of them."""
    tool_ids: Mapped[Annotated[list[int], holds("none")] | None] = mapped_column(JSON(none_as_null=True))
    """Its tools in frozen order (each comparison's two, then last week's), in which `deliveries.own_votes` counts."""
    encoded: Mapped[Annotated[bytes, holds("name", "reviewers")] | None] = mapped_column(deferred=True)
    """Both bodies encoded for sending, with their marks and places, compressed; None if an older release froze it."""


class DigestComparison(Row):
    """The digest that contains a comparison; at most one does."""

    __tablename__ = "digest_comparisons"

    comparison_id: Mapped[int] = mapped_column(BigId, ForeignKey("comparisons.id"), primary_key=True)
    digest_id: Mapped[int] = mapped_column(BigId, ForeignKey("digests.id"))


class TestLetter(Row):
    """A test of a digest, sent to one address before the digest goes out."""

    __tablename__ = "test_letters"
    __table_args__ = (NEVER_REUSED,)

    id: Mapped[Key]
    digest_id: Mapped[int] = mapped_column(BigId, ForeignKey("digests.id"))
    address: Mapped[Address]
    subject: Mapped[Plain]
    preheader: Mapped[Plain]
    html: Mapped[ReviewerName] = mapped_column(Text)
    text: Mapped[ReviewerName] = mapped_column(Text)
    asked_at: Mapped[datetime]


# ---- queries -----------------------------------------------------------------------------------------------


def by_slot(session: Session, slot: str) -> Digest | None:
    return session.scalars(select(Digest).where(Digest.slot == slot)).first()


def slots_of(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """The slot of each of these digests, by the digest's id."""
    return dict(session.execute(select(Digest.id, Digest.slot).where(Digest.id.in_(ids))).all())


def frozen_before_encoding(session: Session, ids: Iterable[int]) -> set[int]:
    """Those of these digests that a release before 0.6.0 froze, which did not keep the encoded letter."""
    return set(session.scalars(select(Digest.id).where(Digest.id.in_(ids), Digest.encoded.is_(None))))


def state_of(session: Session, slot: str) -> str | None:
    """The state of that slot's digest; None if there is no digest yet."""
    return session.scalar(select(Digest.state).where(Digest.slot == slot))


def get(session: Session, slot: str, *, lock: bool = False) -> Digest:
    """The digest of that slot. Raises Refused when there is none."""
    schedule.read_slot(slot)
    query = select(Digest).where(Digest.slot == slot).execution_options(populate_existing=True)
    found = session.scalars(query.with_for_update() if lock else query).first()
    if found is None:
        raise Refused(f"There is no digest {slot}; `verdicts digest list` names those there are.")
    return found


def listed(session: Session, states: tuple[str, ...] = STATES, limit: int = 100) -> list[Digest]:
    """Digests in any of these states, newest slot first."""
    query = select(Digest).where(Digest.state.in_(states)).order_by(Digest.due_at.desc())
    return list(session.scalars(query.limit(limit)))


def going(session: Session, since: datetime) -> list[Digest]:
    """Digests that are being sent, and those that have finished since then."""
    ended = (Digest.state == "finished") & (Digest.finished_at > since)
    query = select(Digest).options(defer(Digest.content)).where((Digest.state == "sending") | ended)
    return list(session.scalars(query))


def page(session: Session, before: str | None, limit: int) -> list[Digest]:
    """A page of digests before that slot, newest first, without their content."""
    query = select(Digest).options(defer(Digest.content)).order_by(Digest.slot.desc()).limit(limit)
    return list(session.scalars(query.where(Digest.slot < before) if before else query))


def uncounted(session: Session) -> list[Digest]:
    """Digests that have ended and whose `outcomes` are not stored yet."""
    ended = select(Digest).where(Digest.state.in_(("finished", "cancelled")), Digest.outcomes.is_(None))
    return list(session.scalars(ended.order_by(Digest.id)))


def comparisons_of(session: Session, digest_id: int) -> list[int]:
    """The comparisons that were assigned to a digest at its freeze."""
    query = select(DigestComparison.comparison_id).where(DigestComparison.digest_id == digest_id)
    return list(session.scalars(query))


def latest_but(session: Session, slot: str) -> Digest | None:
    """The newest digest that has begun to go out, other than that slot's."""
    query = select(Digest).where(Digest.state.in_(GONE), Digest.slot != slot)
    return session.scalars(query.order_by(Digest.frozen_at.desc(), Digest.id.desc()).limit(1)).first()


def latest_at(session: Session, moment: datetime) -> Digest | None:
    """The newest digest that had begun to go out at that moment."""
    query = select(Digest).where(Digest.state.in_(GONE), Digest.frozen_at <= moment)
    return session.scalars(query.order_by(Digest.frozen_at.desc(), Digest.id.desc()).limit(1)).first()


def latest_slot(session: Session) -> str | None:
    """The slot of the newest digest that has begun to go out; every page needs it, so it reads only the slot."""
    query = select(Digest.slot).where(Digest.state.in_(GONE)).order_by(Digest.frozen_at.desc(), Digest.id.desc())
    return session.scalar(query.limit(1))


# ---- changes -----------------------------------------------------------------------------------------------


def open_slot(session: Session, slot: str, due_at: datetime, now: datetime, held: str | None = None) -> Digest:
    """The slot's digest; if there is none, a new draft, or one held for that reason. Idempotent for many clocks."""
    session.execute(
        text(
            "INSERT INTO digests (slot, due_at, state, reason, opened_at, addressed_to)"
            " VALUES (:slot, :due, :state, :held, :now, 0) ON CONFLICT (slot) DO NOTHING"
        ).bindparams(bindparam("due", type_=Moment()), bindparam("now", type_=Moment())),
        {"slot": slot, "due": due_at, "state": "held" if held else "draft", "held": held, "now": now},
    )
    return get(session, slot, lock=True)


MOVES: dict[str, tuple[tuple[str, ...], str]] = {
    "hold": (("draft",), "held"),
    "release": (("held",), "draft"),
    "pause": (("sending",), "paused"),
    "resume": (("paused",), "sending"),
    "cancel": (("sending", "paused"), "cancelled"),
    "skip": (("draft", "held"), "skipped"),
}
"""Editors' actions on a digest: the states that allow each, and the state that it leads to."""


def move(session: Session, slot: str, action: str, now: datetime, reason: str | None = None) -> Digest:
    """Carry out one of MOVES by one conditional UPDATE. Raises Refused when the digest's state does not allow it."""
    found = get(session, slot, lock=True)
    before, after = MOVES[action]
    if found.state == after:
        if action == "hold" and (found.reason or "").startswith((MOVED, NOT_OWED)):
            found.reason = reason  # from now on an editor holds it, and no move of the schedule lets it go
        return found
    if found.state not in before:
        raise Refused(f"Digest {slot} is {found.state}; {action} works while it is {' or '.join(before)}.")
    found.state, found.reason = after, reason
    if after in ("cancelled", "skipped"):
        found.finished_at = now
    if after == "cancelled":
        jobs.record(session, DigestCancelled(found.id), now)
    if action == "resume":
        found.resumed_at = now  # time spent paused does not age its letters
    ring(session, "mail" if action == "resume" else "digests")
    return found


def end(digest: Digest, state: str, reason: str | None, now: datetime) -> None:
    """Skip or expire a digest that will not go out; its comparisons stay free for the next one."""
    digest.state, digest.reason, digest.finished_at = state, reason, now


def freeze(session: Session, digest: Digest, comparison_ids: list[int], **frozen: Any) -> None:
    """Freeze: store the content, and assign its comparisons to this digest only."""
    for name, value in frozen.items():
        setattr(digest, name, value)
    digest.state, digest.reason = "frozen", None
    session.add_all(DigestComparison(comparison_id=each, digest_id=digest.id) for each in comparison_ids)
    session.flush()
    jobs.record(session, DigestFrozen(digest.id), frozen["frozen_at"])
    ring(session, "digests")


def begin(session: Session, digest: Digest) -> None:
    """Start sending: everybody is addressed, and senders may claim its letters from now on."""
    digest.state = "sending"
    ring(session, "mail")


def reopen(digest: Digest) -> None:
    """Clear the stored outcomes: letters of it were queued again or changed, so the counts are stale."""
    digest.outcomes = None
    if digest.state == "finished":
        digest.state, digest.finished_at = "sending", None
