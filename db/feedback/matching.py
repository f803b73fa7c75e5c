"""Whose letter something that came back is about: by its delivery, or by the address alone."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.deliveries.deliveries import Delivery
from db.persons import person_of, subscriber_id
from db.rules import BadAddress
from db.subscribers import subscribers, suppressions

_WENT_OUT = ("sent", "unknown", "failed", "deferred")


@dataclass(frozen=True, slots=True)
class Match:
    """The letter and its reader, so far as they are known. A reader without an address was erased; of somebody whom an
    address alone names, the suppression list says it."""

    delivery: Delivery | None
    person: str | None
    address: str | None
    was_erased: bool = False

    @property
    def is_erased(self) -> bool:
        gone = self.person is not None and subscriber_id(self.person) is not None and self.address is None
        return gone or self.was_erased


def by_delivery(session: Session, delivery_id: int, subscriber: int = 0) -> Match:
    """The letter that a token names; of one that is no longer kept, its reader."""
    found = session.get(Delivery, delivery_id)
    person = found.person if found else person_of(subscriber) if subscriber else None
    kind, _, hashed = (person or "").partition(":")
    test_of_erased = kind == "address" and suppressions.erased_with(session, hashed)
    return Match(found, person, _address_of(session, person), test_of_erased)


def _address_of(session: Session, person: str | None) -> str | None:
    number = subscriber_id(person) if person else None
    reader = subscribers.find(session, number) if number else None
    return reader.address if reader else None


def by_address(session: Session, address: str) -> Match:
    """The last letter that went to an address, if any did."""
    try:
        reader = subscribers.by_address(session, address)
    except BadAddress:
        return Match(None, None, None)
    if reader is None:
        return Match(None, None, address, was_erased=suppressions.is_erased(session, address))
    theirs = Delivery.person == person_of(reader.id), Delivery.state.in_(_WENT_OUT)
    last = session.scalars(select(Delivery).where(*theirs).order_by(Delivery.id.desc()).limit(1)).first()
    return Match(last, person_of(reader.id), reader.address)


def subscriber_of(match: Match) -> int:
    """The subscriber's number; 0 if the letter is nobody's."""
    return (subscriber_id(match.person) if match.person else None) or 0
