"""Ledger 3: every letter to every person, and what became of it.

pending → sending (claim) → sent | deferred (not_before) | failed | skipped (reason) | unknown | cancelled.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Text, TextClause, UniqueConstraint, bindparam, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.digests.digests import IN_ORDER, OF_DIGEST
from db.session import NEVER_REUSED, BigId, Key, Moment, Row, ring

STATES = ("pending", "sending", "sent", "deferred", "failed", "skipped", "unknown", "cancelled")
WAITING = text("state in ('pending', 'deferred')")
SENDING = text("state = 'sending'")
_UNKNOWN = text("state = 'unknown'")
EXCEPTION = text("state in ('deferred', 'failed', 'skipped', 'unknown', 'cancelled')")
"""Literal texts, not parameters: SQLite takes a partial index only for a condition that reads like the index's own."""


class Delivery(Row):
    """One letter to one person. `about` is the row that caused it; a repeat is a new cause, never a second row."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("letter", "about", "person"),
        CheckConstraint("state in ('" + "', '".join(STATES) + "')", name="state"),
        Index("ix_deliveries_waiting", "letter", "about", "id", sqlite_where=WAITING, postgresql_where=WAITING),
        Index("ix_deliveries_sending", "claim", "id", sqlite_where=SENDING, postgresql_where=SENDING),
        Index("ix_deliveries_unknown", "about", "id", sqlite_where=_UNKNOWN, postgresql_where=_UNKNOWN),
        Index(
            "ix_deliveries_exceptions",
            "letter",
            "about",
            "state",
            "code",
            "reason",
            "id",
            sqlite_where=EXCEPTION,
            postgresql_where=EXCEPTION,
        ),
        Index("ix_deliveries_person", "person"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    letter: Mapped[str]
    about: Mapped[int] = mapped_column(BigId)
    person: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    not_before: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    claim: Mapped[int | None] = mapped_column(BigId)
    code: Mapped[int | None]
    reply: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


def message_id(delivery_id: int, letter: str, created_at: datetime, domain: str) -> str:
    """The Message-ID (RFC 5322 3.6.4) of a delivery: the same on every attempt, another for every recipient."""
    return f"<{letter}.{delivery_id}.{int(created_at.timestamp())}@{domain}>"


# ---- changes: address --------------------------------------------------------------------------------------


def owe(session: Session, letter: str, about: int, person: str, now: datetime) -> None:
    """Owe one letter to one person; owing it again changes nothing."""
    session.execute(_OWE, {"letter": letter, "about": about, "person": person, "now": now})
    ring(session, "mail")


_OWE = text(
    "INSERT INTO deliveries (letter, about, person, state, not_before, tries, created_at)"
    " VALUES (:letter, :about, :person, 'pending', :now, 0, :now) ON CONFLICT (letter, about, person) DO NOTHING"
).bindparams(bindparam("now", type_=Moment()))


def forget(session: Session, person: str) -> None:
    """Drop the mail servers' words about somebody who is erased: they tend to quote the address."""
    session.execute(text("UPDATE deliveries SET reply = NULL WHERE person = :person"), {"person": person})


# ---- queries -----------------------------------------------------------------------------------------------


def of_person(session: Session, person: str) -> list[Delivery]:
    """Every delivery to one person, oldest first."""
    return list(session.scalars(select(Delivery).where(Delivery.person == person).order_by(Delivery.id)))


def owing(session: Session, digest_id: int) -> bool:
    """Whether anything of a digest is still owed or in doubt."""
    return any(_any(session, digest_id, state) for state in (WAITING, SENDING, _UNKNOWN))


def only_in_doubt(session: Session, digest_id: int) -> bool:
    """Whether all that a digest still owes is letters in doubt."""
    over = not (_any(session, digest_id, WAITING) or _any(session, digest_id, SENDING))
    return over and _any(session, digest_id, _UNKNOWN)


def waiting(session: Session, digest_id: int) -> bool:
    """Whether a letter of a digest waits to be claimed."""
    return _any(session, digest_id, WAITING)


def _any(session: Session, digest_id: int, state: TextClause) -> bool:
    if state is WAITING:
        return session.scalar(_FIRST_WAITING, {"digest": digest_id}) is not None
    here = Delivery.letter == "digest", Delivery.about == digest_id, state
    return session.scalar(select(Delivery.id).where(*here).limit(1)) is not None


_FIRST_WAITING = text(
    f"SELECT id FROM deliveries WHERE {OF_DIGEST.format(digest=':digest')} AND {WAITING.text}{IN_ORDER} LIMIT 1"
)
