"""The stop rules (db/rules.py) for bounces and complaints that come later, judged from a digest's rows.

What is judged are the letters around the one that came back, in the order of sending, and those alone that were sent
since the digest was last resumed.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, TextClause, func, literal_column, select, text
from sqlalchemy.orm import Session

from db import rules
from db.deliveries import accounts, stops
from db.deliveries.breakers import domain_of
from db.deliveries.deliveries import Delivery
from db.deliveries.stops import Standing, Trip
from db.digests.digests import Digest
from db.driver import driver_connection_of
from db.feedback import feedback
from db.feedback.feedback import Feedback
from db.persons import number_in, person_of, subscriber_id
from db.subscribers.subscribers import Subscriber
from db.subscribers.suppressions import Suppression

_REACH = 10_000
"""How far from a letter, by id, others of its digest or its domain are looked for."""
_NO_INDEX = (text("letter || '' = 'digest'"), text("about + 0 = :digest"))
"""Keeps the planner from using the unique index, which has another order."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter of the digest, and its reader."""

    id: int
    person: str


def trips(session: Session, digest: Digest, kind: str, delivery: Delivery, address: str | None) -> list[Trip]:
    """The rules that trip now that a digest's letter has come back with this kind of bounce or complaint."""
    with driver_connection_of(session) as driver:
        standing = stops.standing(driver, digest.id)
    if kind == "complaint":
        return list(_complaints(session, digest, standing))
    held, found = standing.held, list[Trip]()
    if kind == "hard" and address:
        found += _domain(session, digest, standing, delivery, domain_of(address))
        held = held | {each.domain for each in found if each.domain}
    return found + list(_digest(session, digest, standing, delivery, held))


def _complaints(session: Session, digest: Digest, standing: Standing) -> Iterator[Trip]:
    complaints = feedback.complaints(session, digest.id)
    if complaints >= rules.COMPLAINTS_AT_LEAST:
        sent = accounts.progress(session, digest).states["sent"]
        if rules.complaints_stop(sent, complaints, standing.seen):
            yield Trip("complaint", None, complaints, sent)


def _digest(
    session: Session, digest: Digest, standing: Standing, delivery: Delivery, held: Collection[str]
) -> Iterator[Trip]:
    """Of the last 500 letters, leaving out those that came back from a held domain: that is the domain's fault."""
    letters = _around(session, digest, delivery.id, rules.WATCHED)
    hard, content = _came_back(session, digest, letters, "hard"), _came_back(session, digest, letters, "content")
    hard |= _refused_at_once(session, digest, letters)
    left_out = _at(session, hard, held) if held else set()
    letters = [each for each in letters if each.person not in left_out]
    fates: list[rules.Fate] = [
        "hard" if each.person in hard else "content" if each.person in content else "taken" for each in letters
    ]
    place = next((at for at, each in enumerate(letters) if each.id == delivery.id), None)
    if place is not None and (tripped := rules.stops_among(fates, place, standing.seen)):
        yield Trip(tripped.rule, None, tripped.refused, tripped.letters)


def _domain(session: Session, digest: Digest, standing: Standing, delivery: Delivery, domain: str) -> Iterator[Trip]:
    if domain in standing.held or not rules.holds_domain(_suppressed_at(session, digest, domain)):
        return
    there = Subscriber.address_key.endswith(f"@{domain}", autoescape=True)
    letters = _around(session, digest, delivery.id, rules.DOMAIN_WATCHED, there)
    hard = _came_back(session, digest, letters, "hard") | _refused_at_once(session, digest, letters)
    place = next((at for at, each in enumerate(letters) if each.id == delivery.id), None)
    released = standing.released.get(domain, 0)
    if place is not None and (tripped := rules.holds_among([each.person in hard for each in letters], place, released)):
        yield Trip("hard", domain, tripped.refused, tripped.letters)


# ---- queries -----------------------------------------------------------------------------------------------

_NUMBER: ColumnElement[int] = literal_column(number_in("deliveries.person"))


def _around(
    session: Session, digest: Digest, number: int, count: int, where: ColumnElement[bool] | None = None
) -> list[Letter]:
    """The letters that were sent or refused around that one, which is among them if it was, in the order of sending."""
    conditions: list[ColumnElement[bool] | TextClause] = [*_NO_INDEX, Delivery.state.in_(("sent", "failed"))]
    if digest.resumed_at is not None:
        conditions.append(Delivery.settled_at > digest.resumed_at)
    query = select(Delivery.id, Delivery.person).where(*conditions).limit(count)
    if where is not None:
        query = query.join(Subscriber, Subscriber.id == _NUMBER).where(where)
    before = query.where(Delivery.id <= number, Delivery.id > number - _REACH).order_by(Delivery.id.desc())
    behind = query.where(Delivery.id > number, Delivery.id < number + _REACH).order_by(Delivery.id)
    near = [[Letter(*row) for row in session.execute(each, {"digest": digest.id})] for each in (before, behind)]
    return [*reversed(near[0]), *near[1]]


def _came_back(session: Session, digest: Digest, letters: list[Letter], kind: str) -> set[str]:
    """Those of these letters' readers from whom it came back so."""
    if not letters:
        return set()
    near = Feedback.delivery_id.between(letters[0].id, letters[-1].id)
    of_it = Feedback.digest_id == digest.id, Feedback.digest_id.is_not(None), Feedback.kind == kind
    return set(session.scalars(select(Feedback.person).where(*of_it, near, Feedback.forgiven_at.is_(None))))


def _refused_at_once(session: Session, digest: Digest, letters: list[Letter]) -> set[str]:
    """Those whom the mail server refused while the digest was sent: no row of ours tells, but their suppression."""
    numbers = {subscriber_id(each.person) or 0 for each in letters}
    of_it = Suppression.digest_id == digest.id, Suppression.reason == "hard bounce"
    found = session.scalars(select(Suppression.subscriber_id).where(*of_it, Suppression.digest_id.is_not(None)))
    return {person_of(number) for number in found if number in numbers}


def _at(session: Session, persons: set[str], domains: Collection[str]) -> set[str]:
    """Those of these persons whose address is at one of the domains."""
    numbers = [subscriber_id(each) for each in persons]
    query = select(Subscriber.id, Subscriber.address_key).where(Subscriber.id.in_(numbers))
    return {person_of(number) for number, key in session.execute(query) if key and domain_of(key) in domains}


def _suppressed_at(session: Session, digest: Digest, domain: str) -> int:
    """How many of a domain's addresses the digest's letters have suppressed. It is asked first, since that is cheap."""
    of_it = Suppression.digest_id == digest.id, Suppression.digest_id.is_not(None)
    there = Subscriber.address_key.endswith(f"@{domain}", autoescape=True)
    query = select(func.count()).select_from(Suppression).join(Subscriber, Subscriber.id == Suppression.subscriber_id)
    return session.scalar(query.where(*of_it, there)) or 0
