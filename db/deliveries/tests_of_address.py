"""The test letters that went to one address, whoever it belongs to: they can be counted, and forgotten with it."""

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from db.addresses import hashes_of, key_of
from db.deliveries import deliveries
from db.digests.digests import TestLetter


def person_of(address: str) -> str:
    """The person that a test letter is owed to: a keyed hash of the address, since no subscriber need have it."""
    return persons_of(address)[0]


def number(session: Session, address: str) -> int:
    """How many test letters to this address (a normal one) are stored."""
    return session.scalar(select(func.count()).where(_to(address))) or 0


def forget(session: Session, address: str) -> int:
    """Delete the test letters to an address, and the mail servers' replies. Returns how many there were.

    One that still waits is never sent: the sender finds nobody there any more.
    """
    for person in persons_of(address):
        deliveries.forget(session, person)
    gone = session.execute(delete(TestLetter).where(_to(address)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def _to(address: str) -> ColumnElement[bool]:
    return func.lower(TestLetter.address) == key_of(address)


def persons_of(address: str) -> list[str]:
    """The same under each of the site's keys, newest first."""
    return [f"address:{hashed[:32]}" for hashed in hashes_of(address)]
