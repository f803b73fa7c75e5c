"""A digest's exceptions (letters not simply sent) by state, code and reason, and what operators can do about them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, TextClause, func, select, text, update
from sqlalchemy.orm import Session, aliased

from db import rules
from db.deliveries import reasons
from db.deliveries.addressing import PAGE
from db.deliveries.deliveries import EXCEPTION, SENDING, STATES, WAITING, Delivery
from db.digests.digests import Digest
from db.persons import person_of, subscriber_id
from db.rules import Refused
from db.session import ring
from db.subscribers import audiences, subscribers
from db.subscribers.subscribers import Subscriber

EXCEPTIONS = ("deferred", "failed", "skipped", "unknown", "cancelled")
RETRIED = ("failed", "deferred")
NONE = "none"
"""As a filter's code or reason: matches letters without one."""


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """A filter over a digest's letters; fields that are None match everything."""

    states: tuple[str, ...] = ()
    code: int | Literal["none"] | None = None
    reason: str | None = None

    @property
    def words(self) -> dict[str, Any]:
        """The filter as the audit log stores it."""
        said = {"state": "+".join(self.states), "code": self.code, "reason": self.reason}
        return {name: value for name, value in said.items() if value}

    def within(self, states: tuple[str, ...]) -> "DeliveryFilter":
        """The same filter limited to these states. Raises Refused if it names another state."""
        if not set(self.states) <= set(states):
            raise Refused(f"Only letters that are {' or '.join(states)} can be chosen here.")
        return DeliveryFilter(self.states or states, self.code, self.reason)


@dataclass(frozen=True, slots=True)
class ReplyGroup:
    """One kind of exception: its number of letters, its most frequent reply, and a `sample` delivery."""

    state: str
    code: int | None
    reason: str | None
    count: int
    said: str | None = None
    sample: int | None = None


# ---- queries -------------------------------------------------------------------------------------------------


def replies(session: Session, digest_id: int) -> list[ReplyGroup]:
    """Every kind of exception with its count, in the order of STATES, then by frequency.

    Counts come from the index alone. `said` is the most frequent reply in a sample, without addresses and numbers;
    `sample` is a delivery that got it.
    """
    keys = Delivery.state, Delivery.code, Delivery.reason
    query = select(*keys, func.count()).where(*_exceptions(digest_id)).group_by(*keys)
    rows = [ReplyGroup(*row, *_said(session, digest_id, *row[:3])) for row in session.execute(query)]
    return sorted(rows, key=lambda each: (STATES.index(each.state), -each.count))


_LOOKED_AT = 50


def _said(
    session: Session, digest_id: int, state: str, code: int | None, reason: str | None
) -> tuple[str | None, int | None]:
    here = Delivery.state == state, _is(Delivery.code, code), _is(Delivery.reason, reason)
    query = select(Delivery.id, Delivery.reply).where(*_exceptions(digest_id), *here).order_by(Delivery.id)
    shapes: dict[str, list[int]] = {}
    for id_, reply in session.execute(query.limit(_LOOKED_AT)):
        shapes.setdefault(shape(reply or ""), []).append(id_)
    said, ids = max(shapes.items(), key=lambda item: len(item[1]))
    return said or None, ids[0]


def shape(reply: str) -> str:
    """A server's reply without the parts that vary by letter: addresses, numbers, words with two or more digits.

    A status code (RFC 5321 4.2) and an enhanced one (RFC 3463) stay.
    """
    words = (_word(word) for word in reply.split())
    return rules.plain(" ".join(words))[:200]


def _word(word: str) -> str:
    if re.fullmatch(r"[245]\d\d|[245]\.\d{1,3}\.\d{1,3}", word):
        return word
    if "@" in word or word.isdecimal() or len(re.findall(r"\d", word)) > 1:
        return "…"
    return word


def count(session: Session, digest_id: int, chosen: DeliveryFilter) -> int:
    """How many exceptions of a digest match a filter."""
    query = select(func.count()).select_from(Delivery).where(*_exceptions(digest_id), *_matching(chosen))
    return session.scalar(query) or 0


def page(session: Session, digest: Digest, chosen: DeliveryFilter, after: int, limit: int) -> list[Delivery]:
    """The next deliveries of a digest that match a filter, in the order of addressing (keyset pagination)."""
    of_it = Delivery.letter == "digest", Delivery.about == digest.id
    query = select(Delivery).where(*_matching(chosen)).limit(limit)
    states = set(chosen.states)
    if states and states <= set(EXCEPTIONS):
        query = query.where(*_exceptions(digest.id), Delivery.id > after).order_by(Delivery.id + 0)
    elif states and states <= {"pending", "deferred"}:
        query = query.where(*of_it, WAITING, Delivery.id > after).order_by(Delivery.id)
        query = query.with_hint(
            Delivery, "INDEXED BY ix_deliveries_waiting", "sqlite"
        )  # otherwise it would scan by primary key
    elif states == {"sending"}:
        query = query.where(*_UNKEYED, SENDING, Delivery.id + 0 > after).order_by(Delivery.id + 0)
    else:
        return _walked(session, digest, chosen, after, limit)
    return list(session.scalars(query, {"digest": digest.id}))


def listed(session: Session, digest: Digest, chosen: DeliveryFilter) -> Iterator[tuple[Delivery, str | None]]:
    """All matching deliveries with each reader's address, read in pages."""
    last = 0
    while found := page(session, digest, chosen, last, 1000):
        people = subscribers.people(session, filter(None, (subscriber_id(each.person) for each in found)))
        for each in found:
            person = people.get(subscriber_id(each.person) or 0)
            yield each, person.address if person else None
        last = found[-1].id


_UNKEYED = (text("letter || '' = 'digest'"), text("about + 0 = :digest"))
"""Keeps the planner from using the unique index, whose order differs."""
_STRIDE = 10_000


def _walked(session: Session, digest: Digest, chosen: DeliveryFilter, after: int, limit: int) -> list[Delivery]:
    """Scan a digest's id range in strides, since nearly every row between its first and last is its own.

    Given the whole filter at once, the planner would sort a million rows: it does not know that they lie together.
    """
    first, last = _first_and_last(session, digest)
    after = max(after, first - 1)
    rows: list[Delivery] = []
    while len(rows) < limit and after < last:
        stride = select(Delivery).where(Delivery.id > after).order_by(Delivery.id).limit(_STRIDE).subquery()
        near = aliased(Delivery, stride)
        end = session.scalar(select(func.max(stride.c.id)))
        if end is None:
            break
        query = select(near).where(near.letter == "digest", near.about == digest.id, *_matching(chosen, near))
        rows += session.scalars(query.order_by(near.id).limit(limit - len(rows)))
        after = end
    return rows


def _first_and_last(session: Session, digest: Digest) -> tuple[int, int]:
    """The ids of a digest's first and last delivery; people are addressed in the order of their own ids."""
    audience = select(func.min(Subscriber.id)).where(text(audiences.AUDIENCE).bindparams(freeze=digest.freeze))
    ends = session.scalar(audience), digest.addressed_to
    of_it = Delivery.letter == "digest", Delivery.about == digest.id
    first, last = (
        session.scalar(select(Delivery.id).where(*of_it, Delivery.person == person_of(end or 0))) for end in ends
    )
    return first or 1, last or session.scalar(select(func.max(Delivery.id))) or 0


def _exceptions(digest_id: int) -> tuple[ColumnElement[bool] | TextClause, ...]:
    return Delivery.letter == "digest", Delivery.about == digest_id, EXCEPTION


def _matching(chosen: DeliveryFilter, of: type[Delivery] = Delivery) -> Iterator[ColumnElement[bool]]:
    if chosen.states:
        yield of.state.in_(chosen.states)
    if chosen.code is not None:
        yield _is(of.code, None if chosen.code == NONE else chosen.code)
    if chosen.reason is not None:
        yield _is(of.reason, None if chosen.reason == NONE else chosen.reason)


def _is(column: Any, value: object) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column.is_(None) if value is None else column == value
    return found


# ---- changes: one page each, so that SQLite's write lock is free in between --------------------------------------


def retry(
    session: Session, digest_id: int, now: datetime, chosen: DeliveryFilter = DeliveryFilter(), after: int = 0
) -> list[int]:
    """Queue the next page of a digest's failed and deferred letters again, due now. Returns their ids, ascending.

    Pass the last id as `after` until the page is empty: a letter that is deferred again meanwhile is not repeated.
    """
    _young_again(session, digest_id, now)
    ring(session, "mail")
    return _page(session, digest_id, chosen.within(RETRIED), after, "pending", "retried by hand", now)


def resolve(
    session: Session,
    digest_id: int,
    as_sent: bool,
    now: datetime,
    chosen: DeliveryFilter = DeliveryFilter(),
    after: int = 0,
) -> list[int]:
    """Resolve the next page of unknown letters: count them as sent, or send them again (a person may get it twice)."""
    state, reason = ("sent", "resolved as sent") if as_sent else ("pending", reasons.AGAIN_AFTER_DOUBT)
    if not as_sent:
        _young_again(session, digest_id, now)
    ring(session, "mail")
    return _page(session, digest_id, chosen.within(("unknown",)), after, state, reason, now)


def _young_again(session: Session, digest_id: int, now: datetime) -> None:
    """Give retried letters their full lifetime again, not just one try, since servers often greylist."""
    session.execute(update(Digest).where(Digest.id == digest_id).values(resumed_at=now))


def _page(
    session: Session, digest_id: int, chosen: DeliveryFilter, after: int, state: str, reason: str, now: datetime
) -> list[int]:
    page = select(Delivery.id).where(*_exceptions(digest_id), *_matching(chosen), Delivery.id > after)
    page = page.order_by(Delivery.id).limit(PAGE).correlate(None)
    settled = None if state == "pending" else now  # without settled_at a letter ages from `not_before`
    # The filter is repeated: a PostgreSQL UPDATE that waited for a lock re-checks only its own WHERE clause.
    order = (
        update(Delivery)
        .where(Delivery.id.in_(page), *_matching(chosen))
        .values(state=state, reason=reason, not_before=now, settled_at=settled)
        .returning(Delivery.id)
    )
    return sorted(session.scalars(order, execution_options={"synchronize_session": False}))
