"""Circuit breakers: a mail server's last refusal of all mail, and until when no sender connects to it.

One row per server, shared by all senders: a refusal of all mail opens the breaker and uses up no letter's attempts.
"""

import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Annotated, Literal

from sqlalchemy import Computed, String, Text, bindparam, delete, func, select, text
from sqlalchemy.ext.hybrid import hybrid_method
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.deliveries.limits import outages
from db.register import FreeText, Name, holds
from db.session import Moment, Row

Wait = Callable[[int, float], timedelta]
"""A back-off after the n-th refusal, spread by a jitter in [0, 1)."""

# Processes of a release without the column `kind` may run beside this one during an upgrade. They tell a domain from a
# relay by this prefix and write rows without a kind. So the key keeps the prefix, and the database derives the kind
# from it: the column is right in every row, whoever wrote it. No other code than this module knows the prefix.
_PREFIX = "to "


class Breaker(Row):
    """A mail server or a recipients' domain that refuses all mail; since when, and with which reply."""

    __tablename__ = "relays"
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 (the kind stays known after an update)

    name: Mapped[Name] = mapped_column(primary_key=True)
    failures: Mapped[int]
    since: Mapped[datetime]
    open_until: Mapped[datetime]
    reply: Mapped[FreeText] = mapped_column(Text)
    kind: Mapped[Annotated[Literal["relay", "domain"], holds("none")]] = mapped_column(
        String, Computed(f"CASE WHEN substr(name, 1, {len(_PREFIX)}) = '{_PREFIX}' THEN 'domain' ELSE 'relay' END")
    )

    @property
    def server(self) -> str:
        """The name that operators see: the mail server's, or the domain."""
        return self.name.removeprefix(_PREFIX) if self.kind == "domain" else self.name

    @hybrid_method
    def is_open(self, now: datetime) -> bool:
        """Whether its wait is not over yet. A hybrid method: true or false of one breaker, a condition in queries."""
        return self.open_until > now


def of_server(session: Session, name: str) -> Breaker | None:
    """That server's breaker, if it has taken no letter since its last refusal."""
    return session.get(Breaker, name)


def refused(session: Session, name: str, reply: str, now: datetime, wait: Wait | None = None) -> Breaker:
    """Open the server's breaker after a refusal of all mail; the back-off grows each time. `wait` gives the back-off
    where the reply itself speaks of one."""
    session.execute(_MEET, {"name": name, "now": now, "reply": reply})
    found = session.get_one(Breaker, name, with_for_update=True, populate_existing=True)
    if not found.is_open(now):  # several senders may get the same refusal; it counts once
        found.failures, found.reply = found.failures + 1, reply
        found.open_until = now + (wait or rules.breaker_backoff)(found.failures, random.random())
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
    """Open the breaker of a domain that defers letter after letter. Returns until when."""
    breaker = refused(session, _of_domain(domain), reply, now)
    breaker.open_until = max(breaker.open_until, now + rules.defer_backoff(breaker.failures, random.random()))
    return breaker.open_until


def open_for_domains(session: Session, domains: Iterable[str], now: datetime) -> dict[str, datetime]:
    """Which of these domains have an open breaker, each with the time until which it is open."""
    query = select(Breaker).where(Breaker.kind == "domain", Breaker.is_open(now))
    found = {breaker.server: breaker.open_until for breaker in session.scalars(query)}
    return {domain: found[domain] for domain in domains if domain in found}


def failing_domains(session: Session) -> set[str]:
    """Domains that deferred letter after letter and have accepted none since."""
    return {breaker.server for breaker in session.scalars(select(Breaker).where(Breaker.kind == "domain"))}


def answered(session: Session, name: str) -> None:
    """Close the server's breaker: it accepted a letter. A mail server's outage is remembered."""
    closed = delete(Breaker).where(Breaker.name == name).returning(Breaker.since, Breaker.open_until)
    for since, until in session.execute(closed).all():
        if not name.startswith(_PREFIX):
            outages.record(session, name, since, until)


def domain_answered(session: Session, domain: str) -> None:
    """Close the domain's breaker: it accepted a letter."""
    answered(session, _of_domain(domain))


def open_breakers(session: Session) -> list[Breaker]:
    """Every breaker that has opened and that no accepted letter has closed since."""
    return list(session.scalars(select(Breaker)))


def refusing_server(session: Session) -> Breaker | None:
    """The breaker of the mail server that has refused all mail for longest and has accepted no letter since."""
    query = select(Breaker).where(Breaker.kind == "relay").order_by(Breaker.since)
    return session.scalars(query.limit(1)).first()


def count_open(session: Session, now: datetime) -> int:
    """How many breakers are open."""
    return session.scalar(select(func.count()).select_from(Breaker).where(Breaker.is_open(now))) or 0


def open_since(session: Session, since: datetime, now: datetime) -> list[Breaker]:
    """The breakers that are open `now` and first opened before `since`."""
    return list(session.scalars(select(Breaker).where(Breaker.since < since, Breaker.is_open(now))))
