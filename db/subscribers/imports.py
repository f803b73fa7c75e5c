"""Imports subscribers from elsewhere, except those who unsubscribed, were erased or are suppressed."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.addresses import key_of
from db.subscribers.audiences import last_freeze
from db.subscribers.subscribers import Consent, Subscriber
from db.subscribers.subscriptions import _activate
from db.subscribers.suppressions import suppressed


def add_imported(
    session: Session, people: Mapping[str, str | None], consent: str, source: str, now: datetime
) -> dict[str, str]:
    """Import people (normal address to time zone) who gave their consent elsewhere, in the words of `consent`.

    Returns what became of each address: added, unchanged, or why it was not added (unsubscribed, suppressed).
    An address with an unconfirmed sign-up is added, unless its owner once unsubscribed: anybody can fill
    in the form, so a sign-up alone does not prove that the owner wants to come back.
    """
    frozen = last_freeze(session)
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
    """What add_imported() would return now, without importing anybody."""
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
    """Which of these subscribers unsubscribed last, according to their consent entries."""
    spoke = Consent.subscriber_id.in_(ids), Consent.what.in_(("given", "imported", "withdrawn"))
    words = session.execute(select(Consent.subscriber_id, Consent.what).where(*spoke).order_by(Consent.id)).all()
    return {subscriber_id for subscriber_id, what in dict(words).items() if what == "withdrawn"}
