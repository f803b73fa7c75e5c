"""What a mail server last said of itself, and until when it is left alone.

One row a server, shared by all senders: a refusal that is the relay's own opens its breaker and burns nobody's tries.
"""

import random
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, Computed, String, Text, bindparam, delete, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.session import Moment, Row

# Processes of a release without the column `kind` may run beside this one during an upgrade. They tell a domain from a
# relay by this prefix and write rows without a kind. So the key keeps the prefix, and the database derives the kind
# from it: the column is right in every row, whoever wrote it. No other code than this module knows the prefix.
_PREFIX = "to "


class Breaker(Row):
    """A mail server, or a recipients' domain, that refuses everybody; since when, and with which sentence."""

    __tablename__ = "relays"
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 (the kind stays known after an update)

    name: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    since: Mapped[datetime]
    open_until: Mapped[datetime]
    reply: Mapped[str] = mapped_column(Text)
    kind: Mapped[Literal["relay", "domain"]] = mapped_column(
        String, Computed(f"CASE WHEN substr(name, 1, {len(_PREFIX)}) = '{_PREFIX}' THEN 'domain' ELSE 'relay' END")
    )

    @property
    def server(self) -> str:
        """Who refuses, as operators know it: the relay's name, or the domain."""
        return self.name.removeprefix(_PREFIX) if self.kind == "domain" else self.name


def is_open(now: datetime) -> ColumnElement[bool]:
    """The one condition for an open breaker: its server is left alone until a later moment than this."""
    return Breaker.open_until > now


def open_breaker(session: Session, name: str, now: datetime) -> Breaker | None:
    """The open breaker of that server, while it is to be left alone."""
    return session.scalars(select(Breaker).where(Breaker.name == name, is_open(now))).first()


def refused(session: Session, name: str, reply: str, now: datetime) -> Breaker:
    """The server refused everybody: leave it alone, longer each time."""
    session.execute(_MEET, {"name": name, "now": now, "reply": reply})
    found = session.get_one(Breaker, name, with_for_update=True, populate_existing=True)
    if found.open_until <= now:  # several senders meet the same refusal; it counts once
        found.failures, found.reply = found.failures + 1, reply
        found.open_until = now + rules.breaker_backoff(found.failures, random.random())
    return found


_MEET = text(
    "INSERT INTO relays (name, failures, since, open_until, reply) VALUES (:name, 0, :now, :now, :reply)"
    " ON CONFLICT (name) DO NOTHING"
).bindparams(bindparam("now", type_=Moment()))


def _of_domain(domain: str) -> str:
    """The key of a domain's breaker."""
    return _PREFIX + domain


def domain_of(address: str) -> str:
    """The recipient's domain, in lower case."""
    return address.rpartition("@")[2].lower()


def domain_deferred(session: Session, domain: str, reply: str, now: datetime) -> datetime:
    """A recipients' domain defers one letter after the other: leave it alone; until when."""
    breaker = refused(session, _of_domain(domain), reply, now)
    breaker.open_until = max(breaker.open_until, now + rules.defer_backoff(breaker.failures, random.random()))
    return breaker.open_until


def open_for_domains(session: Session, domains: Iterable[str], now: datetime) -> dict[str, datetime]:
    """Those of the domains that are to be left alone, each until when."""
    query = select(Breaker).where(Breaker.kind == "domain", is_open(now))
    found = {breaker.server: breaker.open_until for breaker in session.scalars(query)}
    return {domain: found[domain] for domain in domains if domain in found}


def failing_domains(session: Session) -> set[str]:
    """Domains that deferred one letter after the other, and have taken none since."""
    return {breaker.server for breaker in session.scalars(select(Breaker).where(Breaker.kind == "domain"))}


def answered(session: Session, name: str) -> None:
    """The server took a letter: its breaker is closed."""
    session.execute(delete(Breaker).where(Breaker.name == name))


def domain_answered(session: Session, domain: str) -> None:
    """A letter to the domain was taken: its breaker is closed."""
    answered(session, _of_domain(domain))


def open_breakers(session: Session) -> list[Breaker]:
    """Every breaker that has opened and not been closed by an answer."""
    return list(session.scalars(select(Breaker)))


def refusing_server(session: Session) -> Breaker | None:
    """The breaker of the mail server that has refused everybody for longest, and taken no letter since."""
    query = select(Breaker).where(Breaker.kind == "relay").order_by(Breaker.since)
    return session.scalars(query.limit(1)).first()


def count_open(session: Session, now: datetime) -> int:
    """How many breakers are open."""
    return session.scalar(select(func.count()).select_from(Breaker).where(is_open(now))) or 0


def open_since(session: Session, since: datetime, now: datetime) -> list[Breaker]:
    """The breakers that first opened before `since` and are open `now`."""
    return list(session.scalars(select(Breaker).where(Breaker.since < since, is_open(now))))
