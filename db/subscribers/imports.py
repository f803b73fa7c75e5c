"""Imports subscribers from elsewhere, except those who left, are pending, erased or suppressed, here or in the file."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.addresses import key_of
from db.subscribers.audiences import last_freeze
from db.subscribers.subscribers import Consent, Subscriber
from db.subscribers.suppressions import suppressed

STILL_HERE = ", still subscribed here"
"""How the outcome ends of somebody who is active here although the file says otherwise."""

_NONE: Mapping[str, str] = MappingProxyType({})


def add_imported(
    session: Session, people: Mapping[str, str | None], consent: str, source: str, now: datetime,
    held: Mapping[str, str] = _NONE,
) -> dict[str, str]:  # fmt: skip
    """Import people (normal address to time zone) who gave their consent elsewhere, in the words of `consent`.

    `held` has the state of those whom their file does not call active, such as bounced. Returns what became of each
    address: added, unchanged, or why it was not added: unsubscribed, pending or suppressed here, or `bounced in the
    file`. Nobody who is known here becomes active: a reader who has not confirmed a sign-up may not be the one who
    filled in the form. Whoever is active here stays so, whatever the file says, because they gave their consent here.
    """
    frozen = last_freeze(session)
    became = _would_become(session, people, _known(session, people, lock=True), held)
    new = [
        Subscriber(address=address, address_key=key_of(address), state="active", created_at=now,
                   time_zone=people[address], confirmed_at=now, joined=frozen)
        for address, outcome in became.items() if outcome == "added"
    ]  # fmt: skip
    session.add_all(new)
    session.flush()
    session.add_all(
        Consent(subscriber_id=each.id, what="imported", at=now, address=each.address, words=consent, source=source)
        for each in new
    )
    return became


def preview_import(
    session: Session, people: Mapping[str, str | None], held: Mapping[str, str] = _NONE
) -> dict[str, str]:
    """What add_imported() would return now, without importing anybody."""
    return _would_become(session, people, _known(session, people), held)


def _known(session: Session, people: Mapping[str, str | None], *, lock: bool = False) -> dict[str | None, Subscriber]:
    held = select(Subscriber).where(Subscriber.address_key.in_([key_of(address) for address in people]))
    ordered = held.order_by(Subscriber.id)
    return {row.address_key: row for row in session.scalars(ordered.with_for_update() if lock else ordered)}


def _would_become(
    session: Session, people: Mapping[str, str | None], known: Mapping[str | None, Subscriber], held: Mapping[str, str]
) -> dict[str, str]:
    left = _who_left(session, [row.id for row in known.values() if row.state == "pending"])
    keys = {key_of(address): address for address in people}  # two ways of writing one address are one person
    away = suppressed(session, list(keys.values()))
    said = {key_of(address): f"{state} in the file" for address, state in held.items()}
    became: dict[str, str] = {}
    for key, address in keys.items():
        found = known.get(key)
        if address in away:
            became[address] = "suppressed"
        elif found is None:
            became[address] = said.get(key, "added")
        elif found.state == "active":
            became[address] = f"{said[key]}{STILL_HERE}" if key in said else "unchanged"
        else:
            became[address] = "unsubscribed" if found.id in left else found.state
    return became


def _who_left(session: Session, ids: list[int]) -> set[int]:
    """Which of these subscribers unsubscribed last, according to their consent entries."""
    spoke = Consent.subscriber_id.in_(ids), Consent.what.in_(("given", "imported", "withdrawn"))
    words = session.execute(select(Consent.subscriber_id, Consent.what).where(*spoke).order_by(Consent.id)).all()
    return {subscriber_id for subscriber_id, what in dict(words).items() if what == "withdrawn"}
