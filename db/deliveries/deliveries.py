"""Deliveries: one row per letter and person, with its state.

pending → sending (claim) → sent | deferred (not_before) | failed | skipped (reason) | unknown | cancelled.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated

from sqlalchemy import CheckConstraint, Index, Text, TextClause, UniqueConstraint, bindparam, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.digests.digests import IN_ORDER, OF_DIGEST, Digest
from db.jobs import jobs
from db.jobs.events import DigestFinished
from db.register import FreeText, KeyedHash, Plain, holds
from db.session import NEVER_REUSED, BigId, Key, Moment, Row, ring

STATES = ("pending", "sending", "sent", "deferred", "failed", "skipped", "unknown", "cancelled")
WAITING = text("state in ('pending', 'deferred')")
SENDING = text("state = 'sending'")
_UNKNOWN = text("state = 'unknown'")
SINGLE = text("letter <> 'digest'")
EXCEPTION = text("state in ('deferred', 'failed', 'skipped', 'unknown', 'cancelled')")
"""Literal SQL, not parameters: SQLite uses a partial index only if the query has the same text as the index."""


class Delivery(Row):
    """One letter to one person. `about` is the row that caused it: (letter, about, person) is the idempotency key."""

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
        Index("ix_deliveries_single", "created_at", sqlite_where=SINGLE, postgresql_where=SINGLE),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    letter: Mapped[Plain]
    about: Mapped[int] = mapped_column(BigId)
    person: Mapped[KeyedHash]
    state: Mapped[Plain]
    reason: Mapped[Plain | None]
    not_before: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    claim: Mapped[int | None] = mapped_column(BigId)
    code: Mapped[int | None]
    reply: Mapped[FreeText | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    own_votes: Mapped[Plain | None]
    """Its reader's votes when the digest was addressed, a character for each of its tools: `s` ship, `k` skip, `-`
    none. Those at the end may be left out; None is no vote at all."""
    claimed_at: Mapped[datetime | None]
    """When a sender claimed it last, which is the Date of its message."""
    fingerprint: Mapped[Annotated[bytes, holds("key")] | None]
    """By it a message that is written again is compared with the one that was sent."""


def old_message_id(delivery_id: int, letter: str, created_at: datetime) -> str:
    """The part before the @ of the Message-ID that releases before 0.6.0 gave a delivery."""
    return f"{letter}.{delivery_id}.{int(created_at.timestamp())}"


# ---- changes -----------------------------------------------------------------------------------------------


def owe(session: Session, letter: str, about: int, person: str, now: datetime) -> None:
    """Queue one letter for one person (an outbox row). Idempotent: queueing it again changes nothing."""
    session.execute(_OWE, {"letter": letter, "about": about, "person": person, "now": now})
    ring(session, "mail")


_OWE = text(
    "INSERT INTO deliveries (letter, about, person, state, not_before, tries, created_at)"
    " VALUES (:letter, :about, :person, 'pending', :now, 0, :now) ON CONFLICT (letter, about, person) DO NOTHING"
).bindparams(bindparam("now", type_=Moment()))


def finish(session: Session, digest_id: int, now: datetime) -> bool:
    """Finish a digest without unfinished or unknown letters, by one conditional UPDATE.

    A separate statement locks the row first: an UPDATE that waited for a retry of letters would evaluate its
    conditions on the snapshot from before.
    """
    session.execute(select(Digest.id).where(Digest.id == digest_id).with_for_update())
    done = session.execute(
        update(Digest)
        .where(Digest.id == digest_id, Digest.state == "sending", _NOTHING_OWED.bindparams(digest=digest_id))
        .values(state="finished", finished_at=now)
    )
    if not done.rowcount:  # type: ignore[attr-defined]
        return False
    jobs.record(session, DigestFinished(digest_id), now)
    return True


def forget(session: Session, person: str) -> None:
    """Empty what an erased person's letters keep of them: the mail servers' replies, which often quote the address,
    their own votes, and the fingerprints, by which somebody could try addresses."""
    session.execute(_FORGET, {"person": person})


_FORGET = text(
    "UPDATE deliveries SET reply = NULL, own_votes = NULL, fingerprint = NULL WHERE person = :person"
    " AND (reply IS NOT NULL OR own_votes IS NOT NULL OR fingerprint IS NOT NULL)"
)


# ---- queries -----------------------------------------------------------------------------------------------


def of_person(session: Session, person: str) -> list[Delivery]:
    """Every delivery to one person, oldest first."""
    return list(session.scalars(select(Delivery).where(Delivery.person == person).order_by(Delivery.id)))


def in_hand(session: Session, persons: Collection[str]) -> bool:
    """Whether a sender has a letter to one of them in its hands."""
    theirs = select(Delivery.id).where(Delivery.person.in_(persons), SENDING)
    return session.scalar(theirs.limit(1)) is not None


def names(session: Session, persons: Collection[str]) -> list[str]:
    """The names of all letters to them, as a Maildir's files begin with them."""
    theirs = select(Delivery.letter, Delivery.id).where(Delivery.person.in_(persons))
    return [f"{letter}-{number}" for letter, number in session.execute(theirs)]


def owing(session: Session, digest_id: int) -> bool:
    """Whether any letter of a digest is still queued, being sent or unknown."""
    return any(_any(session, digest_id, state) for state in (WAITING, SENDING, _UNKNOWN))


def only_in_doubt(session: Session, digest_id: int) -> bool:
    """Whether the only unfinished letters of a digest are unknown ones."""
    over = not (_any(session, digest_id, WAITING) or _any(session, digest_id, SENDING))
    return over and _any(session, digest_id, _UNKNOWN)


def waiting(session: Session, digest_id: int) -> bool:
    """Whether a letter of a digest waits to be claimed."""
    return _any(session, digest_id, WAITING)


def count_waiting(session: Session, digest_id: int) -> int:
    """How many letters of a digest wait to be claimed. It reads them all from an index."""
    return session.scalar(_COUNT_WAITING, {"digest": digest_id}) or 0


_COUNT_WAITING = text(f"SELECT count(*) FROM deliveries WHERE {OF_DIGEST.format(digest=':digest')} AND {WAITING.text}")


def _any(session: Session, digest_id: int, state: TextClause) -> bool:
    if state is WAITING:
        return session.scalar(FIRST_WAITING, {"digest": digest_id}) is not None
    here = Delivery.letter == "digest", Delivery.about == digest_id, state
    return session.scalar(select(Delivery.id).where(*here).limit(1)) is not None


FIRST_WAITING = text(
    f"SELECT id FROM deliveries WHERE {OF_DIGEST.format(digest=':digest')} AND {WAITING.text}{IN_ORDER} LIMIT 1"
)

_NONE_OF_IT = "NOT EXISTS (SELECT 1 FROM deliveries WHERE letter = 'digest' AND about = :digest AND "
# The last condition compares with NULL instead of using EXISTS: the planner ignores an ORDER BY inside EXISTS, and
# without the order it would scan the sent letters.
_NOTHING_OWED = text(
    f"{_NONE_OF_IT}{SENDING.text}) AND {_NONE_OF_IT}{_UNKNOWN.text}) AND ({FIRST_WAITING.text}) IS NULL"
)
"""The SQL condition that is true exactly when `owing` returns False, for one conditional UPDATE."""
