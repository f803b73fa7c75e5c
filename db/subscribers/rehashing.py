"""Suppressions under a lost key: those of readers whose address is known are hashed anew, and so go on to hold."""

from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from db import rules
from db.addresses import hashes_of
from db.subscribers.subscribers import Subscriber
from db.subscribers.suppressions import Suppression


class Suppressed(NamedTuple):
    """How many suppressions belong to readers whose address is known, and how many are a hash alone."""

    known: int
    alone: int


def counts(session: Session) -> Suppressed:
    """How many of all suppressions can be hashed anew, and how many cannot."""
    known = select(func.count()).select_from(Suppression).join(Subscriber, Subscriber.id == Suppression.subscriber_id)
    known = known.where(Subscriber.address.is_not(None))
    number, everybody = session.scalar(known) or 0, session.scalar(select(func.count()).select_from(Suppression)) or 0
    return Suppressed(number, everybody - number)


def rehash(session: Session) -> int:
    """Hash the known readers' suppressions under the present key, where none of the present keys made the hash. Returns
    how many. Where an address is suppressed under a present key as well, the heavier reason stays."""
    query = select(Suppression.address_hash, Subscriber.address)
    query = query.join(Subscriber, Subscriber.id == Suppression.subscriber_id).where(Subscriber.address.is_not(None))
    changed = 0
    for row in session.execute(query).all():
        here = hashes_of(row.address)
        if row.address_hash not in here:
            _move(session, row.address_hash, here)
            changed += 1
    return changed


def _move(session: Session, address_hash: str, here: list[str]) -> None:
    found = session.get_one(Suppression, address_hash, with_for_update=True)
    same = session.scalars(select(Suppression).where(Suppression.address_hash.in_(here)).with_for_update()).first()
    if same is None:
        query = update(Suppression).where(Suppression.address_hash == address_hash)
        session.execute(query.values(address_hash=here[0]), execution_options={"synchronize_session": False})
        session.expunge(found)
        return
    if rules.SUPPRESSIONS[found.reason].weight > rules.SUPPRESSIONS[same.reason].weight:
        same.reason, same.at, same.note = found.reason, found.at, found.note
    session.delete(found)
