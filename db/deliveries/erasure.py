"""Erases people: their own rows at once, and a job for all that may quote an address elsewhere.

1. One transaction takes the address and all that hangs on it out of the person's own rows, and owes the job.
2. The job (worker/people/erasure.py) waits until no sender has a letter to them in its hands, and then removes their
   letters from a Maildir, masks the address in the texts of all tables, and has the database's files overwritten.
Nothing but keyed hashes is passed from the one to the other.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from db.addresses import hashes_of
from db.deliveries import deliveries, tests_of_address
from db.jobs import jobs
from db.jobs.events import PersonsErased
from db.persons import person_of
from db.subscribers import subscriptions, unconfirmed
from db.subscribers.subscribers import Subscriber
from db.subscribers.suppressions import Suppression, suppress
from db.votes import votes


def erase(session: Session, found: Subscriber, now: datetime) -> None:
    """Erase a reader, with their votes and the test letters to their address."""
    person, address = person_of(found.id), found.address
    # Lock subscribers before votes, in the same order as a freeze does, which avoids a deadlock.
    subscriptions.erase(session, found.id, now)
    votes.withdraw_all(session, person, now)
    deliveries.forget(session, person)
    if address:
        tests_of_address.forget(session, address)
        _owe(session, [address], [person, *tests_of_address.persons_of(address)], now)


def erase_tests(session: Session, address: str, now: datetime) -> tuple[Suppression, int] | None:
    """Erase somebody who only ever got test letters. Returns the suppression, and how many letters; None if none."""
    count = tests_of_address.forget(session, address)
    if not count:
        return None
    _owe(session, [address], tests_of_address.persons_of(address), now)
    return suppress(session, address, "erased", now), count


def forget_sign_ups(session: Session, now: datetime, limit: int) -> int:
    """Forget the next sign-ups that nobody confirmed, at most `limit`. Returns how many."""
    gone = unconfirmed.forget(session, now, limit)
    persons = [person_of(each.number) for each in gone]
    for person in persons:
        deliveries.forget(session, person)
    if addresses := [each.address for each in gone if each.address]:
        _owe(session, addresses, persons, now, at_once=False)
    return len(gone)


def _owe(
    session: Session, addresses: Sequence[str], persons: Sequence[str], now: datetime, *, at_once: bool = True
) -> None:
    hashes = [hashes_of(address)[0] for address in addresses]
    jobs.record(session, PersonsErased(hashes=hashes, persons=list(persons), at_once=at_once), now)
