"""Who reads the newsletter: addresses with their states, the proof of consent, and the numbered freezes."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.addresses import key_of, normal
from db.register import Address, FreeText, Network, Plain
from db.rules import Person
from db.session import NEVER_REUSED, BigId, Key, Row
from db.subscribers.suppressions import suppressed

STATES = ("pending", "active", "unsubscribed", "erased")
_OF_SIGN_UP = text("sign_up is not null")
_PAUSED = text("paused_until is not null")


class Subscriber(Row):
    """An address and its state. `joined` and `left` are the number of freezes (see `Freeze`) before each."""

    __tablename__ = "subscribers"
    __table_args__ = (
        CheckConstraint("state in ('pending', 'active', 'unsubscribed', 'erased')", name="state"),
        Index("ix_subscribers_state", "state", "id"),
        Index("ix_subscribers_paused", "paused_until", sqlite_where=_PAUSED, postgresql_where=_PAUSED),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    address: Mapped[Address | None]
    address_key: Mapped[Address | None] = mapped_column(unique=True)
    state: Mapped[Plain]
    time_zone: Mapped[Plain | None]
    paused_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    joined: Mapped[int | None]
    left: Mapped[int | None]


class Consent(Row):
    """An entry of the append-only proof of consent: asked, given, imported or withdrawn; when, where, which words."""

    __tablename__ = "consents"
    __table_args__ = (
        Index("ix_consents_subscriber_id", "subscriber_id", "id"),
        Index("ix_consents_at", "at", "what"),
        Index("ix_consents_sign_up", "sign_up", sqlite_where=_OF_SIGN_UP, postgresql_where=_OF_SIGN_UP),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    subscriber_id: Mapped[int] = mapped_column(BigId, ForeignKey("subscribers.id"))
    what: Mapped[Literal["asked", "given", "imported", "withdrawn"]]
    at: Mapped[datetime]
    address: Mapped[Address | None]
    words: Mapped[FreeText | None] = mapped_column(Text)
    words_version: Mapped[Plain | None]
    locale: Mapped[Plain | None]
    source: Mapped[FreeText]
    ip: Mapped[Network | None]
    user_agent: Mapped[FreeText | None] = mapped_column(Text)
    sign_up: Mapped[int | None] = mapped_column(BigId, ForeignKey("consents.id"))


class Freeze(Row):
    """A moment at which an audience was counted; subscribers refer to freezes by number."""

    __tablename__ = "freezes"
    __table_args__ = (NEVER_REUSED,)

    number: Mapped[Key]
    at: Mapped[datetime]
    audience: Mapped[int]


# ---- queries -----------------------------------------------------------------------------------------------


def active(session: Session) -> int:
    """The number of active subscribers: the audience if a digest were frozen now."""
    return session.scalar(select(func.count()).select_from(Subscriber).where(Subscriber.state == "active")) or 0


def find(session: Session, subscriber_id: int) -> Subscriber | None:
    return session.get(Subscriber, subscriber_id)


def page(session: Session, after: int, limit: int) -> list[Subscriber]:
    """The next page of subscribers who have an address, by id (keyset pagination)."""
    query = select(Subscriber).where(Subscriber.id > after, Subscriber.address.is_not(None)).order_by(Subscriber.id)
    return list(session.scalars(query.limit(limit)))


def by_address(session: Session, address: str) -> Subscriber | None:
    """The subscriber with that address, in any spelling. Raises BadAddress for an invalid one."""
    return session.scalars(select(Subscriber).where(Subscriber.address_key == key_of(normal(address)))).first()


def people(session: Session, ids: Iterable[int]) -> dict[int, Person]:
    """The consent state of each of these subscribers, as of this transaction."""
    rows = session.execute(
        select(Subscriber.id, Subscriber.address, Subscriber.state, Subscriber.paused_until, Subscriber.confirmed_at)
        .where(Subscriber.id.in_(list(ids)))
    ).all()  # fmt: skip
    listed = suppressed(session, [row.address for row in rows if row.address])
    return {
        row.id: Person(row.address, row.state, row.paused_until, row.address in listed, row.confirmed_at)
        for row in rows
    }


def history(session: Session, subscriber_id: int) -> list[Consent]:
    return list(session.scalars(select(Consent).where(Consent.subscriber_id == subscriber_id).order_by(Consent.id)))
