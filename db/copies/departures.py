"""Who left, was erased or complained after a copy was made, as far as the old database tells."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import rules
from db.signing_keys import SigningKey
from db.subscribers.subscribers import Subscriber
from db.subscribers.suppressions import Suppression

PAGE = 1_000
READERS = ("pending", "active")


class Departure(NamedTuple):
    """One reader who is mailed here and no more there."""

    subscriber: int
    what: str
    """`left` or `erased`."""
    address: str | None


class Listed(NamedTuple):
    """A suppression as another database holds it."""

    address_hash: str
    reason: str
    at: datetime
    note: str | None
    subscriber_id: int | None


def readers(session: Session, after: int) -> list[Subscriber]:
    """The next page of those who are readers here."""
    query = select(Subscriber).where(Subscriber.id > after, Subscriber.state.in_(READERS))
    return list(session.scalars(query.order_by(Subscriber.id).limit(PAGE)))


def states(session: Session, numbers: Collection[int]) -> dict[int, str]:
    """The states of these subscribers."""
    query = select(Subscriber.id, Subscriber.state).where(Subscriber.id.in_(numbers))
    return dict(session.execute(query).all())


def departed(reader: Subscriber, there: str | None) -> Departure | None:
    """How a reader departed, given the state there; None of it if the row is gone: then a sign-up was over."""
    if there == "unsubscribed":
        return Departure(reader.id, "left", reader.address)
    if there == "erased" or (there is None and reader.state == "active"):
        return Departure(reader.id, "erased", None)
    return None


def joined_since(session: Session, last: int) -> int:
    """How many readers there are whose numbers are higher: they signed up after the copy was made."""
    query = select(func.count()).select_from(Subscriber).where(Subscriber.id > last, Subscriber.state == "active")
    return session.scalar(query) or 0


def last_number(session: Session) -> int:
    return session.scalar(select(func.max(Subscriber.id))) or 0


def suppressions(session: Session, after: str) -> list[Listed]:
    """The next page of the suppression list."""
    columns = (getattr(Suppression, name) for name in Listed._fields)
    query = select(*columns).where(Suppression.address_hash > after, Suppression.suspected_at.is_(None))
    return [Listed(*row) for row in session.execute(query.order_by(Suppression.address_hash).limit(PAGE))]


def beyond(session: Session, theirs: Collection[Listed]) -> list[Listed]:
    """Which of the old database's suppressions are missing here, or stand for a lighter reason."""
    query = select(Suppression.address_hash, Suppression.reason)
    rows = session.execute(query.where(Suppression.address_hash.in_([each.address_hash for each in theirs])))
    here = {hashed: rules.SUPPRESSIONS[reason].weight for hashed, reason in rows}
    return [each for each in theirs if rules.SUPPRESSIONS[each.reason].weight > here.get(each.address_hash, 0)]


def suppress(session: Session, each: Listed) -> None:
    """Take over a suppression of the old database."""
    session.merge(Suppression(**each._asdict(), digest_id=None, suspected_at=None))


def prints(session: Session) -> set[str]:
    """The prints of the site's keys, by which a database and its copy know each other."""
    return set(session.scalars(select(SigningKey.key_print)))
