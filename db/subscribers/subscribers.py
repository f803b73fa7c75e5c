"""Who reads the letter: addresses and their states, the proof of consent, and who must not be mailed."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, bindparam, func, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.addresses import hashes_of, key_of, normal
from db.jobs import jobs
from db.jobs.events import SubscriptionConfirmed, SubscriptionRequested
from db.rules import Person
from db.session import NEVER_REUSED, BigId, Key, Moment, Row, is_sqlite

STATES = ("pending", "active", "unsubscribed", "erased")
_PAUSED = text("paused_until is not null")


class Subscriber(Row):
    """An address and its state. `joined` and `left` count the freezes (see `freeze`) that lay before each."""

    __tablename__ = "subscribers"
    __table_args__ = (
        CheckConstraint("state in ('pending', 'active', 'unsubscribed', 'erased')", name="state"),
        Index("ix_subscribers_state", "state", "id"),
        Index("ix_subscribers_paused", "paused_until", sqlite_where=_PAUSED, postgresql_where=_PAUSED),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    address: Mapped[str | None]
    address_key: Mapped[str | None] = mapped_column(unique=True)
    state: Mapped[str]
    time_zone: Mapped[str | None]
    paused_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    joined: Mapped[int | None]
    left: Mapped[int | None]


class Consent(Row):
    """One entry in the append-only proof: asked, given, imported or withdrawn; when, from where, to which words."""

    __tablename__ = "consents"
    __table_args__ = (
        Index("ix_consents_subscriber_id", "subscriber_id", "id"),
        Index("ix_consents_at", "at", "what"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    subscriber_id: Mapped[int] = mapped_column(BigId, ForeignKey("subscribers.id"))
    what: Mapped[Literal["asked", "given", "imported", "withdrawn"]]
    at: Mapped[datetime]
    address: Mapped[str | None]
    words: Mapped[str | None] = mapped_column(Text)
    words_version: Mapped[str | None]
    locale: Mapped[str | None]
    source: Mapped[str]
    ip: Mapped[str | None]
    user_agent: Mapped[str | None] = mapped_column(Text)
    sign_up: Mapped[int | None] = mapped_column(BigId, ForeignKey("consents.id"))


class Suppression(Row):
    """An address, by keyed hash, that must not be mailed; `subscriber_id` is whose it was, while it is known."""

    __tablename__ = "suppressions"
    __table_args__ = (
        Index("ix_suppressions_at", "at", "address_hash"),
        Index("ix_suppressions_subscriber_id", "subscriber_id"),
    )

    address_hash: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    at: Mapped[datetime]
    note: Mapped[str | None] = mapped_column(Text)
    subscriber_id: Mapped[int | None] = mapped_column(BigId)


class Freeze(Row):
    """A moment at which an audience was counted; freezes are numbered, and readers know between which they came."""

    __tablename__ = "freezes"
    __table_args__ = (NEVER_REUSED,)

    number: Mapped[Key]
    at: Mapped[datetime]
    audience: Mapped[int]


@dataclass(frozen=True, slots=True)
class SignUp:
    """A sign-up behind a confirm link, and what is true of it now."""

    id: int
    subscriber_id: int
    address: str
    asked_at: datetime
    state: Literal["open", "confirmed", "expired", "over"]


# ---- orders ------------------------------------------------------------------------------------------------


def request(
    session: Session, address: str, *, words: str, words_version: str, locale: str, form_url: str,
    ip: str | None, user_agent: str | None, now: datetime,
) -> None:  # fmt: skip
    """Ask for a subscription: keep the proof, and owe a confirm letter. Nothing is told about what was known before.

    An active address is left as it is; one confirm letter goes out per address in ten minutes. Raises BadAddress.
    """
    address = normal(address)
    subscriber = _enter(session, address, now)
    if subscriber.state == "active" or _asked_since(session, subscriber.id, now - rules.SIGN_UP_PAUSE):
        return
    subscriber.state, subscriber.address = "pending", address
    whose = update(Suppression).where(Suppression.address_hash.in_(hashes_of(address)))
    session.execute(whose.values(subscriber_id=subscriber.id))
    asked = Consent(
        subscriber_id=subscriber.id, what="asked", at=now, address=address, words=words, words_version=words_version,
        locale=locale, source=form_url, ip=ip, user_agent=(user_agent or "")[:500],
    )  # fmt: skip
    session.add(asked)
    session.flush()
    jobs.record(session, SubscriptionRequested(sign_up=asked.id, subscriber=subscriber.id), now)


def _enter(session: Session, address: str, now: datetime) -> Subscriber:
    session.execute(
        text(
            "INSERT INTO subscribers (address, address_key, state, created_at)"
            " VALUES (:address, :key, 'pending', :now) ON CONFLICT (address_key) DO NOTHING"
        ).bindparams(bindparam("now", type_=Moment())),
        {"address": address, "key": key_of(address), "now": now},
    )
    found = select(Subscriber).where(Subscriber.address_key == key_of(address)).with_for_update()
    return session.scalars(found).one()


def _asked_since(session: Session, subscriber_id: int, moment: datetime) -> bool:
    query = select(Consent.id).where(Consent.subscriber_id == subscriber_id, Consent.what == "asked")
    return session.scalar(query.where(Consent.at > moment).limit(1)) is not None


def confirm(session: Session, sign_up: int, ip: str | None, now: datetime) -> Subscriber:
    """Make the subscriber of an open sign-up active; already active stays so. Refused when the link is over."""
    found, frozen = session.get(Consent, sign_up), _freezes(session)
    if found is None:
        raise rules.Refused(_NO_LONGER)
    subscriber = session.get_one(Subscriber, found.subscriber_id, with_for_update=True, populate_existing=True)
    asked = sign_up_of(session, sign_up, now)  # now that whoever left or was erased meanwhile has been waited for
    if asked is None or asked.state in ("expired", "over"):
        raise rules.Refused(_NO_LONGER)
    if subscriber.state != "pending":
        return subscriber
    _activate(subscriber, frozen, now)
    session.add(Consent(subscriber_id=subscriber.id, what="given", at=now, address=subscriber.address,
                        source="confirm link", ip=ip, sign_up=sign_up))  # fmt: skip
    jobs.record(session, SubscriptionConfirmed(sign_up=sign_up, subscriber=subscriber.id), now)
    return subscriber


_NO_LONGER = "This link no longer works. Subscribe again and we will send a new one."


def _activate(subscriber: Subscriber, frozen: int, now: datetime) -> None:
    subscriber.state, subscriber.confirmed_at = "active", now
    # Left and come back between two freezes is never having been away: the audience of the last one still holds them.
    if subscriber.joined is None or subscriber.left is None or subscriber.left < frozen:
        subscriber.joined = frozen
    subscriber.left = None


def leave(session: Session, subscriber_id: int, channel: str, now: datetime) -> Subscriber | None:
    """Unsubscribe at once; leaving twice is leaving once. None for a subscriber that is not known."""
    frozen = _freezes(session)
    subscriber = session.get(Subscriber, subscriber_id, with_for_update=True, populate_existing=True)
    if subscriber is None or subscriber.state in ("unsubscribed", "erased"):
        return subscriber
    if subscriber.state == "active":
        subscriber.left = frozen
    subscriber.state = "unsubscribed"
    session.add(Consent(subscriber_id=subscriber.id, what="withdrawn", at=now, address=subscriber.address,
                        source=channel))  # fmt: skip
    return subscriber


def suppress(session: Session, address: str, reason: str, now: datetime, note: str | None = None) -> Suppression:
    """Put an address on the suppression list, by keyed hash. The graver reason stays, and of two alike the first."""
    address = normal(address)
    named = hashes_of(address)
    found = session.scalars(select(Suppression).where(Suppression.address_hash.in_(named)).with_for_update()).first()
    if found is None:
        whose = session.scalar(select(Subscriber.id).where(Subscriber.address_key == key_of(address)))
        found = Suppression(address_hash=named[0], reason=reason, at=now, note=note, subscriber_id=whose)
        session.add(found)
    elif rules.SUPPRESSIONS[reason].weight > rules.SUPPRESSIONS[found.reason].weight:
        found.reason, found.at, found.note = reason, now, note
    session.flush()
    return found


def add_imported(
    session: Session, people: Mapping[str, str | None], consent: str, source: str, now: datetime
) -> dict[str, str]:
    """Import people (normal address to time zone) who gave their consent elsewhere, in the words of `consent`.

    What became of each: added, unchanged, or why they were not brought back: unsubscribed, suppressed. Somebody who
    has asked here and not confirmed yet is added, but not if they have left before: anybody can type an address.
    """
    frozen = _freezes(session)
    known = _known(session, people, lock=True)
    became = _would_become(session, people, known)
    new = []
    for address in (address for address, outcome in became.items() if outcome == "added"):
        found = known.get(key_of(address))
        if found is None:
            found = Subscriber(address=address, address_key=key_of(address), state="active", created_at=now,
                               time_zone=people[address], confirmed_at=now, joined=frozen)  # fmt: skip
        else:
            _activate(found, frozen, now)
        new.append(found)
    session.add_all(new)
    session.flush()
    session.add_all(
        Consent(subscriber_id=each.id, what="imported", at=now, address=each.address, words=consent, source=source)
        for each in new
    )
    return became


def preview_import(session: Session, people: Mapping[str, str | None]) -> dict[str, str]:
    """What would become of each if they were imported now."""
    return _would_become(session, people, _known(session, people))


def _known(session: Session, people: Mapping[str, str | None], *, lock: bool = False) -> dict[str | None, Subscriber]:
    held = select(Subscriber).where(Subscriber.address_key.in_([key_of(address) for address in people]))
    ordered = held.order_by(Subscriber.id)
    return {row.address_key: row for row in session.scalars(ordered.with_for_update() if lock else ordered)}


def _would_become(
    session: Session, people: Mapping[str, str | None], known: Mapping[str | None, Subscriber]
) -> dict[str, str]:
    left = _who_left(session, [row.id for row in known.values() if row.state == "pending"])
    keys = {key_of(address): address for address in people}  # two ways of writing one address are one person
    away = suppressed(session, list(keys.values()))
    became: dict[str, str] = {}
    for key, address in keys.items():
        found = known.get(key)
        if address in away:
            became[address] = "suppressed"
        elif found is None:
            became[address] = "added"
        elif found.id in left:
            became[address] = "unsubscribed"
        else:
            became[address] = {"pending": "added", "active": "unchanged"}.get(found.state, found.state)
    return became


def _who_left(session: Session, ids: list[int]) -> set[int]:
    """Those of the subscribers whose last word on it was to leave."""
    spoke = Consent.subscriber_id.in_(ids), Consent.what.in_(("given", "imported", "withdrawn"))
    words = session.execute(select(Consent.subscriber_id, Consent.what).where(*spoke).order_by(Consent.id)).all()
    return {subscriber_id for subscriber_id, what in dict(words).items() if what == "withdrawn"}


def erase(session: Session, subscriber_id: int, now: datetime) -> Subscriber | None:
    """Forget a subscriber: what remains of the address is a keyed hash in the suppression list.

    The proof of consent keeps its times and loses the person. None for a subscriber that is not known.
    """
    gone = leave(session, subscriber_id, "erasure", now)
    if gone is None or gone.address is None:
        return gone
    suppress(session, gone.address, "erased", now)
    whose = update(Suppression).where(Suppression.subscriber_id == subscriber_id)
    session.execute(whose.values(subscriber_id=None, note=None))  # a note may name whom it is about
    gone.state, gone.address, gone.address_key, gone.time_zone, gone.paused_until = "erased", None, None, None, None
    session.execute(
        update(Consent).where(Consent.subscriber_id == subscriber_id).values(address=None, ip=None, user_agent=None)
    )
    return gone


# ---- the audience ------------------------------------------------------------------------------------------


def count_audience(session: Session, now: datetime) -> Freeze:
    """Count the audience: everybody who is active at this instant, named by the freeze's number ever after.

    PostgreSQL holds back those who come and go until this commits; on SQLite there is one writer in any case.
    """
    if not is_sqlite(session):
        session.execute(text("LOCK TABLE subscribers IN SHARE MODE"))
    taken = Freeze(at=now, audience=active(session))
    session.add(taken)
    session.flush()
    return taken


def _freezes(session: Session) -> int:
    """The number of the last freeze, in a transaction that no freeze can overtake."""
    if not is_sqlite(session):
        session.execute(text("LOCK TABLE subscribers IN ROW EXCLUSIVE MODE"))
    return session.scalar(select(func.max(Freeze.number))) or 0


AUDIENCE = 'joined < :freeze AND ("left" IS NULL OR "left" >= :freeze)'
"""SQL for: was active at the freeze of that number."""


# ---- questions ---------------------------------------------------------------------------------------------


def active(session: Session) -> int:
    """How many are active now: the audience of a digest that were frozen at this moment."""
    return session.scalar(select(func.count()).select_from(Subscriber).where(Subscriber.state == "active")) or 0


def find(session: Session, subscriber_id: int) -> Subscriber | None:
    return session.get(Subscriber, subscriber_id)


def page(session: Session, after: int, limit: int) -> list[Subscriber]:
    """The next subscribers whose address is known, in the order of their numbers."""
    query = select(Subscriber).where(Subscriber.id > after, Subscriber.address.is_not(None)).order_by(Subscriber.id)
    return list(session.scalars(query.limit(limit)))


def by_address(session: Session, address: str) -> Subscriber | None:
    """The subscriber of an address, however it is written; BadAddress for what is none."""
    return session.scalars(select(Subscriber).where(Subscriber.address_key == key_of(normal(address)))).first()


def sign_up_of(session: Session, sign_up: int, now: datetime) -> SignUp | None:
    """The sign-up behind a confirm link; None when there never was one."""
    asked = session.get(Consent, sign_up)
    if asked is None or asked.what != "asked" or asked.address is None:
        return None
    later = select(Consent.what).where(Consent.subscriber_id == asked.subscriber_id, Consent.id > asked.id)
    since = list(session.scalars(later.order_by(Consent.id)))
    state: Literal["open", "confirmed", "expired", "over"] = "open"
    if "withdrawn" in since:
        state = "over"
    elif "given" in since:
        state = "confirmed"
    elif now >= asked.at + rules.SIGN_UP_LIFE:
        state = "expired"
    return SignUp(asked.id, asked.subscriber_id, asked.address, asked.at, state)


def people(session: Session, ids: Iterable[int]) -> dict[int, Person]:
    """What consent asks about each of these subscribers, as it stands in this transaction."""
    rows = session.execute(
        select(Subscriber.id, Subscriber.address, Subscriber.state, Subscriber.paused_until, Subscriber.confirmed_at)
        .where(Subscriber.id.in_(list(ids)))
    ).all()  # fmt: skip
    listed = suppressed(session, [row.address for row in rows if row.address])
    return {
        row.id: Person(row.address, row.state, row.paused_until, row.address in listed, row.confirmed_at)
        for row in rows
    }


def suppressed(session: Session, addresses: list[str]) -> set[str]:
    """Those of the addresses that stand in the suppression list."""
    named = {hashed: address for address in addresses for hashed in hashes_of(address)}
    return {named[hashed] for hashed in listed(session, list(named))}


def listed(session: Session, hashes: list[str]) -> set[str]:
    """Those of the keyed hashes that stand in the suppression list."""
    # One parameter, however many hashes: an expanding IN of a claim's two hundred cost a millisecond.
    sqlite = is_sqlite(session)
    among = "IN (SELECT value FROM json_each(:hashes))" if sqlite else "= ANY(:hashes)"
    asked = text(f"SELECT address_hash FROM suppressions WHERE address_hash {among}")
    return set(session.scalars(asked, {"hashes": json.dumps(hashes) if sqlite else hashes}))


def history(session: Session, subscriber_id: int) -> list[Consent]:
    return list(session.scalars(select(Consent).where(Consent.subscriber_id == subscriber_id).order_by(Consent.id)))
