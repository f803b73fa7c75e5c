"""Deciding about suspected suppressions in bulk: a person confirms or lifts a digest's, or a domain's."""

from datetime import datetime
from typing import Literal

from db.digests import digests
from db.feedback import feedback
from db.operators import audit
from db.operators.audit import Actor
from db.persons import person_of
from db.session import Session, reading, writing
from db.subscribers import suspected
from db.subscribers.suspected import Group

Decision = Literal["confirm", "lift"]
PAGE = 1_000


def groups() -> list[tuple[str, Group]]:
    """Every group of suspected suppressions with its digest's slot."""
    with reading() as session:
        found = suspected.groups(session)
        slots = digests.slots_of(session, {each.digest_id for each in found})
    return [(slots.get(each.digest_id, "none"), each) for each in found]


def by_digest() -> dict[str, list[Group]]:
    """The same, by slot."""
    found: dict[str, list[Group]] = {}
    for slot, group in groups():
        found.setdefault(slot, []).append(group)
    return found


def count(slot: str | None, domain: str | None) -> int:
    """How many suspected suppressions there are: of one digest or of all, at one domain or at any."""
    with reading() as session:
        return suspected.count(session, _digest_id(session, slot), domain)


def decide(
    actor: Actor, decision: Decision, slot: str | None, domain: str | None, now: datetime, note: str | None = None
) -> int:
    """Confirm or lift those suspected suppressions. Returns how many. Each page has its own audit entry."""
    total = 0
    chosen = {"digest": slot, "domain": domain}
    while True:  # in pages, so that SQLite's write lock is free in between
        with writing() as session:
            rows = suspected.take(session, _digest_id(session, slot), domain, PAGE)
            if not rows:
                return total
            ids = [row.subscriber_id for row in rows if row.subscriber_id is not None]
            if decision == "lift":
                suspected.lift(session, rows)
                feedback.forgive(session, [person_of(each) for each in ids], now)
            else:
                suspected.confirm(rows)
            audit.record(
                session, actor, f"suspected.{decision}", now, about=f"{len(rows)} suppressions", ids=ids,
                chosen_by={name: value for name, value in chosen.items() if value}, count=len(rows),
                note=note,
            )  # fmt: skip
        total += len(rows)


def _digest_id(session: Session, slot: str | None) -> int | None:
    return digests.get(session, slot).id if slot else None


def retry_with(slot: str) -> str:
    """How those that were lifted get their letter after all."""
    return f"verdicts deliveries retry {slot} --state failed"
