"""The letters of a digest around one of them, in the order of sending, and what came back after them.

Counted are those alone that were sent since the digest was last resumed. A letter that came back was sent, also while
its sender has not recorded that yet.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, TextClause, case, exists, func, literal_column, or_, select, text
from sqlalchemy.orm import Session

from db.deliveries.deliveries import EXCEPTION, Delivery
from db.deliveries.limits.breakers import domain_of
from db.digests.digests import Digest
from db.feedback.feedback import Feedback
from db.persons import number_in, person_in, person_of, subscriber_id
from db.subscribers.subscribers import Subscriber
from db.subscribers.suppressions import Suppression

IsContent = Callable[[Delivery], bool]
"""Whether the mail server refused a failed letter for what it says or how; the floors above can read its words."""
_REACH = 10_000
"""How far from a letter, by id, others of its digest or its domain are looked for."""
_NO_INDEX = (text("letter || '' = 'digest'"), text("about + 0 = :digest"))
"""Keeps the planner from using the unique index, which has another order."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter of the digest, and its reader."""

    id: int
    person: str


_NUMBER: ColumnElement[int] = literal_column(number_in("deliveries.person"))
_WHOSE: ColumnElement[int] = literal_column(number_in("feedback.person"))
_SETTLED = Delivery.state.in_(("sent", "failed"))
_IN_HAND = Delivery.state.in_(("sending", "unknown"))
_SENT_AT = case((_SETTLED, Delivery.settled_at), else_=Delivery.claimed_at)
_BOUNCED = exists().where(Feedback.delivery_id == Delivery.id, Feedback.raw_event.is_not(None)).correlate(Delivery)


def around(session: Session, digest: Digest, number: int, count: int, domain: str | None = None) -> list[Letter]:
    """The letters, all or those to a domain, that were sent or refused around that one, which is among them."""
    sent = or_(_SETTLED, _IN_HAND & _BOUNCED, Delivery.id == number)
    conditions: list[ColumnElement[bool] | TextClause] = [*_NO_INDEX, sent]
    if digest.resumed_at is not None:
        conditions.append(digest.resumed_at < _SENT_AT)
    query = select(Delivery.id, Delivery.person).where(*conditions).limit(count)
    if domain is not None:
        query = query.join(Subscriber, Subscriber.id == _NUMBER).where(_there(domain))
    before = query.where(Delivery.id <= number, Delivery.id > number - _REACH).order_by(Delivery.id.desc())
    behind = query.where(Delivery.id > number, Delivery.id < number + _REACH).order_by(Delivery.id)
    near = [[Letter(*row) for row in session.execute(each, {"digest": digest.id})] for each in (before, behind)]
    return [*reversed(near[0]), *near[1]]


def came_back(session: Session, digest: Digest, letters: list[Letter], kind: str) -> set[str]:
    """Those of these letters' readers from whom it came back so."""
    if not letters:
        return set()
    near = Feedback.delivery_id.between(letters[0].id, letters[-1].id)
    return set(session.scalars(select(Feedback.person).where(*_unforgiven(digest, kind), near)))


def _unforgiven(digest: Digest, kind: str) -> tuple[ColumnElement[bool], ...]:
    of_it = Feedback.digest_id == digest.id, Feedback.digest_id.is_not(None), Feedback.kind == kind
    return *of_it, Feedback.forgiven_at.is_(None)


def refused_at_once(session: Session, digest: Digest, letters: list[Letter]) -> set[str]:
    """Those whom the mail server refused while the digest was sent: no row of ours tells, but their suppression."""
    numbers = {subscriber_id(each.person) or 0 for each in letters}
    of_it = Suppression.digest_id == digest.id, Suppression.reason == "hard bounce"
    found = session.scalars(select(Suppression.subscriber_id).where(*of_it, Suppression.digest_id.is_not(None)))
    return {person_of(number) for number in found if number in numbers}


def blamed_at_once(session: Session, digest: Digest, letters: list[Letter], is_content: IsContent) -> set[str]:
    """Those whose letter the mail server refused for its content while the digest was sent."""
    if not letters:
        return set()
    failed = Delivery.letter == "digest", Delivery.about == digest.id, EXCEPTION, Delivery.state == "failed"
    near = Delivery.id.between(letters[0].id, letters[-1].id)
    return {each.person for each in session.scalars(select(Delivery).where(*failed, near)) if is_content(each)}


def last_back(session: Session, digest: Digest, kind: str, but: Collection[str]) -> int | None:
    """The last letter that came back so, leaving out these domains."""
    query = select(func.max(Feedback.delivery_id)).where(*_unforgiven(digest, kind))
    return session.scalar(query.join(Subscriber, Subscriber.id == _WHOSE).where(*_elsewhere(but)))


def all_hard(session: Session, digest: Digest, but: Collection[str]) -> list[int]:
    """All letters that say of an address that it does not exist, leaving out these domains, in the order of sending."""
    later = select(Feedback.delivery_id).join(Subscriber, Subscriber.id == _WHOSE).where(*_unforgiven(digest, "hard"))
    of_it = Suppression.digest_id == digest.id, Suppression.digest_id.is_not(None), Suppression.reason == "hard bounce"
    letter = (
        (Delivery.letter == "digest")
        & (Delivery.about == digest.id)
        & (Delivery.person == literal_column(person_in("subscribers.id")))
    )
    at_once = select(Delivery.id).select_from(Suppression).join(Subscriber, Subscriber.id == Suppression.subscriber_id)
    queries = later, at_once.join(Delivery, letter).where(*of_it)
    return sorted({each for query in queries for each in session.scalars(query.where(*_elsewhere(but)))})


def _elsewhere(but: Collection[str]) -> list[ColumnElement[bool]]:
    return [Subscriber.address_key.is_(None) | ~_there(domain) for domain in but]


def _there(domain: str) -> ColumnElement[bool]:
    return Subscriber.address_key.endswith(f"@{domain}", autoescape=True)


def at_domains(session: Session, persons: set[str], domains: Collection[str]) -> set[str]:
    """Those of these persons whose address is at one of the domains."""
    numbers = [subscriber_id(each) for each in persons]
    query = select(Subscriber.id, Subscriber.address_key).where(Subscriber.id.in_(numbers))
    return {person_of(number) for number, key in session.execute(query) if key and domain_of(key) in domains}


def suppressed_at(session: Session, digest: Digest, domain: str) -> int:
    """How many of a domain's addresses the digest's letters have suppressed. It is asked first, since that is cheap."""
    of_it = Suppression.digest_id == digest.id, Suppression.digest_id.is_not(None)
    query = select(func.count()).select_from(Suppression).join(Subscriber, Subscriber.id == Suppression.subscriber_id)
    return session.scalar(query.where(*of_it, _there(domain))) or 0
