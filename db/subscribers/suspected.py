"""Suspected suppressions: hard bounces from a time at which a provider may have said "no such user" of everybody. They
mail nobody either, until a person confirms or lifts them."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, TextClause, delete, exists, select, text, update
from sqlalchemy.orm import Session

from db.session import ring
from db.subscribers.subscribers import Subscriber
from db.subscribers.suppressions import Suppression

_SUSPECTED = text("suspected_at is not null")
"""Literal SQL, so that SQLite uses the partial index."""


class Group(NamedTuple):
    """How many suspected suppressions a digest has at one domain; no domain if nobody is known to have the address."""

    digest_id: int
    domain: str
    number: int


def suspect(session: Session, digest_id: int, domain: str | None, now: datetime) -> int:
    """Make a digest's hard suppressions suspected, all or those at one domain. Returns how many."""
    mine = Suppression.digest_id == digest_id, Suppression.digest_id.is_not(None), Suppression.reason == "hard bounce"
    query = update(Suppression).where(*mine, Suppression.suspected_at.is_(None), *_at(domain))
    done = session.execute(query.values(suspected_at=now), execution_options={"synchronize_session": False})
    return int(done.rowcount)  # type: ignore[attr-defined]


def groups(session: Session) -> list[Group]:
    """Every group of suspected suppressions, the newest digest and the largest group first."""
    whose = Subscriber.id == Suppression.subscriber_id
    query = select(Suppression.digest_id, Subscriber.address_key).join(Subscriber, whose, isouter=True)
    found = Counter(
        (digest, (key or "").rpartition("@")[2]) for digest, key in session.execute(query.where(_SUSPECTED))
    )
    rows = [Group(digest or 0, domain, number) for (digest, domain), number in found.items()]
    return sorted(rows, key=lambda each: (-each.digest_id, -each.number, each.domain))


def take(session: Session, digest_id: int | None, domain: str | None, limit: int) -> list[Suppression]:
    """The next suspected suppressions, locked: of one digest or of all, at one domain or at any."""
    return list(session.scalars(select(Suppression).where(*_chosen(digest_id, domain)).limit(limit).with_for_update()))


def count(session: Session, digest_id: int | None, domain: str | None) -> int:
    """How many that are."""
    return len(session.scalars(select(Suppression.address_hash).where(*_chosen(digest_id, domain))).all())


def confirm(rows: list[Suppression]) -> None:
    """They are suppressions like any other from now on. They forget their digest: no later stop of it suspects them."""
    for row in rows:
        row.suspected_at = row.digest_id = None


def lift(session: Session, rows: list[Suppression]) -> None:
    """Their addresses may be mailed again."""
    session.execute(delete(Suppression).where(Suppression.address_hash.in_([row.address_hash for row in rows])))
    ring(session, "mail")


def _chosen(digest_id: int | None, domain: str | None) -> Iterator[ColumnElement[bool] | TextClause]:
    yield _SUSPECTED
    if digest_id is not None:
        yield Suppression.digest_id == digest_id
    yield from _at(domain)


def _at(domain: str | None) -> Iterator[ColumnElement[bool]]:
    if domain is not None:
        key = Subscriber.address_key.endswith(f"@{domain.strip().lower()}", autoescape=True)
        yield exists().where(Subscriber.id == Suppression.subscriber_id, key)
