"""Bounces and complaints: a row for each letter and kind, as an address's history and a digest's page tell them."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Index, Text, UniqueConstraint, bindparam, delete, func, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.register import FreeText, KeyedHash, Plain
from db.session import NEVER_REUSED, BigId, Key, Moment, Row

KEPT = rules.kept("feedback")
_OF_DIGEST = text("digest_id is not null")


class Feedback(Row):
    """What came back after one letter. A letter has one row of a kind, however often it is told.

    `kind` is one of db.rules.Returned. `sent_at` is when its letter was sent; `raw_event` what told it, None for a
    letter that the mail server itself refused. `words` are without the address.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        UniqueConstraint("delivery_id", "kind"),
        Index("ix_feedback_person", "person"),
        Index("ix_feedback_digest_id", "digest_id", "kind", sqlite_where=_OF_DIGEST, postgresql_where=_OF_DIGEST),
        Index("ix_feedback_at", "at"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    delivery_id: Mapped[int] = mapped_column(BigId)
    digest_id: Mapped[int | None] = mapped_column(BigId)
    person: Mapped[KeyedHash]
    kind: Mapped[Plain]
    code: Mapped[int | None]
    status: Mapped[Plain | None]
    words: Mapped[FreeText | None] = mapped_column(Text)
    sent_at: Mapped[datetime]
    at: Mapped[datetime]
    raw_event: Mapped[int | None] = mapped_column(BigId)
    forgiven_at: Mapped[datetime | None]
    """When an operator lifted the suppression of its address: it counts against that no more."""


# ---- changes -----------------------------------------------------------------------------------------------


def add(
    session: Session, *, delivery_id: int, digest_id: int | None, person: str, kind: rules.Returned, code: int | None,
    status: str | None, words: str | None, sent_at: datetime, at: datetime, raw_event: int | None,
) -> bool:  # fmt: skip
    """Store what came back, by one conditional INSERT. False if that letter has a row of this kind already."""
    row = {
        "delivery": delivery_id, "digest": digest_id, "person": person, "kind": kind, "code": code, "status": status,
        "words": words, "sent": sent_at, "at": at, "event": raw_event,
    }  # fmt: skip
    return session.scalar(_ADD, row) is not None


_ADD = text(
    "INSERT INTO feedback"
    " (delivery_id, digest_id, person, kind, code, status, words, sent_at, at, raw_event)"
    " VALUES (:delivery, :digest, :person, :kind, :code, :status, :words, :sent, :at, :event)"
    " ON CONFLICT (delivery_id, kind) DO NOTHING RETURNING id"
).bindparams(bindparam("sent", type_=Moment()), bindparam("at", type_=Moment()))


def forgive(session: Session, persons: Collection[str], now: datetime) -> None:
    """Let what came back after these persons' letters count against their addresses no more."""
    theirs = update(Feedback).where(Feedback.person.in_(persons), Feedback.forgiven_at.is_(None))
    session.execute(theirs.values(forgiven_at=now))


def forget_words(session: Session, person: str) -> None:
    """Empty what mail servers said of an erased person. What came back and when stays, under the number."""
    session.execute(update(Feedback).where(Feedback.person == person, Feedback.words.is_not(None)).values(words=None))


def remove(session: Session, now: datetime, limit: int) -> int:
    """Remove the next rows whose time is over, at most `limit`. Returns how many."""
    old = select(Feedback.id).where(Feedback.at <= now - KEPT).order_by(Feedback.at).limit(limit)
    gone = session.execute(delete(Feedback).where(Feedback.id.in_(old)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


# ---- queries -----------------------------------------------------------------------------------------------


def of_person(session: Session, person: str) -> list[Feedback]:
    """All that came back after one person's letters, in the order in which it was heard."""
    return list(session.scalars(select(Feedback).where(Feedback.person == person).order_by(Feedback.at, Feedback.id)))


def counts(session: Session, digest_id: int) -> dict[str, int]:
    """How many of a digest's letters came back, by kind. Those that the mail server itself refused are not counted."""
    of_it = Feedback.digest_id == digest_id, Feedback.digest_id.is_not(None), Feedback.raw_event.is_not(None)
    return dict(session.execute(select(Feedback.kind, func.count()).where(*of_it).group_by(Feedback.kind)).all())


def complaints(session: Session, digest_id: int) -> int:
    """How many readers complained of a digest."""
    of_it = Feedback.digest_id == digest_id, Feedback.digest_id.is_not(None), Feedback.kind == "complaint"
    return session.scalar(select(func.count()).where(*of_it)) or 0


class Blame(NamedTuple):
    """Letters of one digest, or (None) single ones, that came back for what we sent or how."""

    digest_id: int | None
    letters: int
    words: str | None
    """What is said of most of them."""


def blames(session: Session, since: datetime) -> list[Blame]:
    """Letters that have come back since then through our own fault, by digest."""
    query = select(Feedback.digest_id, Feedback.words).where(Feedback.at > since, Feedback.kind == "content")
    found: dict[int | None, Counter[str | None]] = {}
    for digest_id, words in session.execute(query):
        found.setdefault(digest_id, Counter())[words] += 1
    return [Blame(digest_id, said.total(), said.most_common(1)[0][0]) for digest_id, said in found.items()]


def any_old(session: Session, now: datetime) -> bool:
    """Whether any row's time is over."""
    return session.scalar(select(Feedback.id).where(Feedback.at <= now - KEPT).limit(1)) is not None
