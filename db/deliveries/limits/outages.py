"""Outages: when a mail server's breaker was open. That time makes no letter old.

An outage that goes on is the breaker's own row; it becomes a row here when the server takes a letter again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, delete, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.driver import DriverConnection, moment_of
from db.register import Plain
from db.session import Moment, Row

KEPT = rules.kept("outages")
"""How long an outage is remembered: longer than any letter's life."""


class Outage(Row):
    """A mail server refused all mail from `since` until `ended_at`."""

    __tablename__ = "outages"

    server: Mapped[Plain] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(index=True)


class Span(NamedTuple):
    """From one moment to another."""

    since: datetime
    until: datetime


def record(session: Session, server: str, since: datetime, ended_at: datetime) -> None:
    """Remember an outage that is over, and forget old ones."""
    session.execute(_NEW, {"server": server, "since": since, "ended_at": ended_at})
    session.execute(delete(Outage).where(Outage.ended_at < ended_at - KEPT))


_NEW = text(
    "INSERT INTO outages (server, since, ended_at) VALUES (:server, :since, :ended_at) ON CONFLICT DO NOTHING"
).bindparams(bindparam("since", type_=Moment()), bindparam("ended_at", type_=Moment()))


def known(driver: DriverConnection) -> list[Span]:
    """All outages, also those that go on, in order and without overlaps."""
    found: list[Span] = []
    for kept_since, kept_until in driver.fetch(_KNOWN, ()):
        since, until = moment_of(kept_since), moment_of(kept_until)
        assert since
        assert until
        if found and since <= found[-1].until:
            found[-1] = Span(found[-1].since, max(until, found[-1].until))
        else:
            found.append(Span(since, until))
    return found


_KNOWN = (
    "SELECT since, ended_at FROM outages UNION ALL SELECT since, open_until FROM relays WHERE kind = 'relay' ORDER BY 1"
)


def within(spans: Sequence[Span], since: datetime, until: datetime) -> timedelta:
    """How much of the time between two moments was an outage."""
    parts = (min(span.until, until) - max(span.since, since) for span in spans)
    return sum((part for part in parts if part > timedelta(0)), timedelta(0))
