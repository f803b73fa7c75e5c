"""Releasing a domain whose letters a stop rule holds, shared by console and commands."""

from datetime import datetime

from db.deliveries.limits import stops
from db.operators import audit
from db.operators.audit import Actor
from db.session import writing

PAGE = 10_000


def release(actor: Actor, domain: str, reason: str, now: datetime) -> int:
    """Release a held domain; its letters go out at once. Returns how many waited. Raises Refused without a reason."""
    with writing() as session:
        found = stops.release(session, domain, reason, now)
        audit.record(session, actor, "domain.release", now, about=f"domain {found.domain}", count=1, note=reason,
                     before={"held since": found.at.isoformat(), "refused": found.refused})  # fmt: skip
    freed = 0
    while True:  # in pages, so that SQLite's write lock is free in between
        with writing() as session:
            page = stops.free(session, now, PAGE)
        if not page:
            return freed
        freed += page
