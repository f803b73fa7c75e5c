"""Raw events: each mail that came back and each message of a webhook, kept as it arrived for thirty days.

A replay is harmless: an event is known by its source and key, and handled once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple, cast

from sqlalchemy import Index, LargeBinary, UniqueConstraint, bindparam, delete, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.jobs import jobs, outside
from db.jobs.events import FeedbackReceived
from db.jobs.outside import OutsideRequest
from db.register import KeyedHash, Plain, holds
from db.session import NEVER_REUSED, Key, Moment, Row

Source = Literal["inbox", "pipe", "ses", "postmark", "generic"]
LARGEST = 10 * 1024 * 1024
"""Bytes of a mail at most; a larger one stays in the inbox."""
KEPT = rules.kept("raw events")
_KEY = 200


class RawEvent(Row):
    """What arrived, byte for byte. `key` names it within its source: the provider's id, or a hash of its bytes.

    `person` is whose letter it is about, once that is known. An event about somebody who was erased keeps no bytes.
    """

    __tablename__ = "raw_events"
    __table_args__ = (
        UniqueConstraint("source", "key"),
        Index("ix_raw_events_person", "person"),
        Index("ix_raw_events_received_at", "received_at"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    source: Mapped[Plain]
    key: Mapped[Plain]
    raw: Mapped[Annotated[bytes, holds("free text")]] = mapped_column(LargeBinary)
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    person: Mapped[KeyedHash | None]


@dataclass(frozen=True)
class CheckSnsMessage(OutsideRequest):
    """Verify a message of Amazon SNS, for which its certificate has to be fetched."""

    event: int


class Received(NamedTuple):
    """An event that waits to be handled."""

    id: int
    source: Source
    raw: bytes


def key_of(raw: bytes) -> str:
    """The key of an event that has no id of its own: a hash of its bytes."""
    return sha256(raw).hexdigest()


# ---- changes -----------------------------------------------------------------------------------------------


def record(session: Session, source: Source, key: str, raw: bytes, now: datetime) -> int | None:
    """Store an event and queue its job. None if it was stored before."""
    stored = store(session, source, key, raw, now)
    if stored is not None:
        jobs.record(session, FeedbackReceived(stored), now)
    return stored


def store_to_be_checked(session: Session, key: str, proven_key: str, raw: bytes, now: datetime) -> int | None:
    """Store a message of Amazon SNS, which the outside line verifies first. None if it was stored before, as it is
    spelled here, or proven before in any spelling."""
    if is_handled(session, "ses", proven_key) is not None:
        return None
    stored = store(session, "ses", key, raw, now)
    if stored is not None:
        outside.owe(session, CheckSnsMessage(stored), "Amazon SNS", now)
    return stored


def is_proven(session: Session, event_id: int, key: str) -> bool:
    """Give an event whose sender is proven now the key of what was proven. False if that was stored before, in another
    spelling: then it is deleted, since it tells nothing new."""
    with_it = select(RawEvent.id).where(RawEvent.source == "ses", RawEvent.key == key, RawEvent.id != event_id)
    if session.scalar(with_it.limit(1)) is not None:
        remove(session, [event_id])
        return False
    session.execute(update(RawEvent).where(RawEvent.id == event_id).values(key=key))
    return True


def to_be_handled(session: Session, event_id: int, now: datetime) -> None:
    """Queue the job of an event whose sender is proven."""
    jobs.record(session, FeedbackReceived(event_id), now)


def store(session: Session, source: Source, key: str, raw: bytes, now: datetime) -> int | None:
    """Store an event whose sender is not proven yet. None if it was stored before."""
    row = {"source": source, "key": key[:_KEY], "raw": raw, "now": now}
    return cast("int | None", session.scalar(_STORE, row))


_STORE = text(
    "INSERT INTO raw_events (source, key, raw, received_at) VALUES (:source, :key, :raw, :now)"
    " ON CONFLICT (source, key) DO NOTHING RETURNING id"
).bindparams(bindparam("now", type_=Moment()), bindparam("raw", type_=LargeBinary()))


def begin_handling(session: Session, event_id: int, now: datetime) -> bool:
    """Mark an event as handled, by one conditional UPDATE in the transaction of its effect. False if it was before."""
    waits = update(RawEvent).where(RawEvent.id == event_id, RawEvent.handled_at.is_(None))
    return bool(session.execute(waits.values(handled_at=now)).rowcount)  # type: ignore[attr-defined]


def belongs_to(session: Session, event_id: int, person: str) -> None:
    """Remember whose letter an event is about, so that it goes when they are erased."""
    session.execute(update(RawEvent).where(RawEvent.id == event_id).values(person=person))


def empty(session: Session, event_id: int) -> None:
    """Keep no bytes of an event about somebody who was erased; its key stays, so that it is not stored again."""
    session.execute(update(RawEvent).where(RawEvent.id == event_id).values(raw=b""))


def remove(session: Session, ids: Collection[int]) -> None:
    """Delete these events."""
    session.execute(delete(RawEvent).where(RawEvent.id.in_(ids)))


def remove_of(session: Session, persons: Collection[str]) -> int:
    """Delete the events about these persons' letters. Returns how many."""
    gone = session.execute(delete(RawEvent).where(RawEvent.person.in_(persons)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def forget(session: Session, now: datetime, limit: int) -> int:
    """Delete events older than KEPT, at most `limit`. Returns how many."""
    old = select(RawEvent.id).where(RawEvent.received_at < now - KEPT).limit(limit)
    gone = session.execute(delete(RawEvent).where(RawEvent.id.in_(old)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


# ---- queries -----------------------------------------------------------------------------------------------


def waiting(session: Session, event_id: int) -> Received | None:
    """The event with that number, if it is there and was not handled yet."""
    found = session.get(RawEvent, event_id)
    if found is None or found.handled_at is not None:
        return None
    return Received(found.id, cast(Source, found.source), found.raw)


def is_handled(session: Session, source: Source, key: str) -> bool | None:
    """Whether an event was handled; None if it was never stored."""
    same = RawEvent.source == source, RawEvent.key == key[:_KEY]
    found = session.execute(select(RawEvent.handled_at).where(*same)).first()
    return None if found is None else found.handled_at is not None


def after(session: Session, event_id: int, limit: int) -> Sequence[tuple[int, bytes]]:
    """The next events behind that number, with their bytes."""
    query = select(RawEvent.id, RawEvent.raw).where(RawEvent.id > event_id).order_by(RawEvent.id).limit(limit)
    return [(row.id, row.raw) for row in session.execute(query)]


def any_old(session: Session, now: datetime) -> bool:
    """Whether an event is older than KEPT."""
    return session.scalar(select(RawEvent.id).where(RawEvent.received_at < now - KEPT).limit(1)) is not None
