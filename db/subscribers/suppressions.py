"""The suppression list: keyed hashes of addresses that must not be mailed, with reasons, and how to lift one."""

import json
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Index, Text, delete, func, select, text, tuple_
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.addresses import hashes_of, key_of, normal
from db.register import FreeText, KeyedHash, Plain
from db.rules import Refused
from db.session import BigId, Row, is_sqlite

_OF_DIGEST, _SUSPECTED = text("digest_id is not null"), text("suspected_at is not null")


class Suppression(Row):
    """An address, by keyed hash, that must not be mailed; `subscriber_id` is its subscriber, if known.

    A hard bounce remembers the digest that was refused. It is suspected if a stop rule tripped then (suspected.py).
    """

    __tablename__ = "suppressions"
    __table_args__ = (
        Index("ix_suppressions_at", "at", "address_hash"),
        Index("ix_suppressions_subscriber_id", "subscriber_id"),
        Index("ix_suppressions_digest_id", "digest_id", sqlite_where=_OF_DIGEST, postgresql_where=_OF_DIGEST),
        Index("ix_suppressions_suspected", "digest_id", sqlite_where=_SUSPECTED, postgresql_where=_SUSPECTED),
    )

    address_hash: Mapped[KeyedHash] = mapped_column(primary_key=True)
    reason: Mapped[Plain]
    at: Mapped[datetime]
    note: Mapped[FreeText | None] = mapped_column(Text)
    subscriber_id: Mapped[int | None] = mapped_column(BigId)
    digest_id: Mapped[int | None] = mapped_column(BigId)
    suspected_at: Mapped[datetime | None]


# ---- queries -----------------------------------------------------------------------------------------------


def of_address(session: Session, address: str) -> Suppression | None:
    """The suppression of an address in any spelling, if any. Raises BadAddress for an invalid one."""
    return session.scalars(select(Suppression).where(Suppression.address_hash.in_(hashes_of(normal(address))))).first()


def is_erased(session: Session, address: str) -> bool:
    """Whether whoever had the address was erased. Raises BadAddress for an invalid one."""
    found = of_address(session, address)
    return found is not None and found.reason == "erased"


def erased_with(session: Session, beginning: str) -> bool:
    """Whether somebody was erased the keyed hash of whose address begins so."""
    query = select(Suppression.address_hash).where(Suppression.address_hash.startswith(beginning, autoescape=True))
    return session.scalar(query.where(Suppression.reason == "erased").limit(1)) is not None


def get(session: Session, address_hash: str, *, lock: bool = False) -> Suppression:
    """The suppression of that hash. Raises Refused when there is none."""
    found = session.get(Suppression, address_hash, with_for_update=lock or None, populate_existing=True)
    if found is None:
        raise Refused("That suppression is not there (any more). The list shows those that are.")
    return found


def counts(session: Session) -> dict[str, int]:
    """The number of suppressed addresses by reason."""
    found = dict(session.execute(select(Suppression.reason, func.count()).group_by(Suppression.reason)).all())
    return {reason: found.get(reason, 0) for reason in rules.SUPPRESSIONS}


def page(
    session: Session, reason: str | None, *, before: tuple[datetime, str] | None = None, limit: int = 50
) -> list[Suppression]:
    """A page of the list, newest first; the moment and hash `before` are the keyset cursor."""
    query = select(Suppression)
    if reason is not None:
        query = query.where(Suppression.reason == reason)
    if before is not None:
        query = query.where(tuple_(Suppression.at, Suppression.address_hash) < before)
    return list(session.scalars(query.order_by(Suppression.at.desc(), Suppression.address_hash.desc()).limit(limit)))


def suppressed(session: Session, addresses: list[str]) -> set[str]:
    """Which of these addresses are suppressed."""
    named = {hashed: address for address in addresses for hashed in hashes_of(address)}
    return {named[hashed] for hashed in listed(session, list(named))}


def reasons(session: Session, addresses: list[str]) -> dict[str, str]:
    """Why each of these addresses is suppressed, of those that are."""
    named = {hashed: address for address in addresses for hashed in hashes_of(address)}
    query = select(Suppression.address_hash, Suppression.reason).where(Suppression.address_hash.in_(named))
    return {named[hashed]: reason for hashed, reason in session.execute(query)}


def listed(session: Session, hashes: list[str]) -> set[str]:
    """Which of these keyed hashes are suppressed."""
    # A single parameter for all hashes: an expanding IN with a claim's two hundred hashes cost a millisecond.
    sqlite = is_sqlite(session)
    among = "IN (SELECT value FROM json_each(:hashes))" if sqlite else "= ANY(:hashes)"
    asked = text(f"SELECT address_hash FROM suppressions WHERE address_hash {among}")
    return set(session.scalars(asked, {"hashes": json.dumps(hashes) if sqlite else hashes}))


def hard_bounce_may_have_passed(session: Session, hashes: Collection[str], now: datetime) -> bool:
    """Whether an address is suppressed for nothing but a hard bounce at least a day ago. The mailbox may exist by now,
    so whoever signs up again gets the confirm letter."""
    found = session.scalars(select(Suppression).where(Suppression.address_hash.in_(hashes))).all()
    return all(each.reason == "hard bounce" and each.at <= now - rules.HARD_BOUNCE_REST for each in found)


# ---- changes -----------------------------------------------------------------------------------------------


def suppress(session: Session, address: str, reason: str, now: datetime, note: str | None = None) -> Suppression:
    """Suppress an address by keyed hash. The heavier reason wins; of two equal ones the first stays, and is no longer
    suspected."""
    address = normal(address)
    named = hashes_of(address)
    found = session.scalars(select(Suppression).where(Suppression.address_hash.in_(named)).with_for_update()).first()
    if found is None:
        whose = session.scalar(text("SELECT id FROM subscribers WHERE address_key = :key"), {"key": key_of(address)})
        found = Suppression(address_hash=named[0], reason=reason, at=now, note=note, subscriber_id=whose)
        session.add(found)
    elif rules.SUPPRESSIONS[reason].weight > rules.SUPPRESSIONS[found.reason].weight:
        found.reason, found.at, found.note = reason, now, note
    found.suspected_at = None
    found.digest_id = None
    session.flush()
    return found


def lift_hard_bounce(session: Session, address: str) -> None:
    """Lift an address's hard bounce: a letter has arrived there."""
    query = delete(Suppression).where(Suppression.address_hash.in_(hashes_of(address)))
    session.execute(query.where(Suppression.reason == "hard bounce"))


def lift(session: Session, address_hashes: Collection[str], *, as_admin: bool, note: str | None) -> list[Suppression]:
    """Lift suppressions. Returns them. Raises Refused where the reason needs a higher role or a note."""
    lifted = []
    for each in address_hashes:
        found = get(session, each, lock=True)
        rule = rules.SUPPRESSIONS[found.reason]
        if rule.lifted_by == "admin" and not as_admin:
            raise Refused(f"Suppressed since {found.at:%Y-%m-%d}, {found.reason}. This is lifted {rule.lifted}.")
        if rule.needs_note and not (note or "").strip():
            raise Refused(
                f"Suppressed since {found.at:%Y-%m-%d}, {found.reason}. Say in the note why it may be mailed again."
            )
        session.execute(delete(Suppression).where(Suppression.address_hash == each))
        lifted.append(found)
    return lifted
