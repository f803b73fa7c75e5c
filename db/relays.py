"""What a mail server last said of itself, and until when it is left alone.

One row a server, shared by all senders: a refusal that is the relay's own opens its breaker and burns nobody's tries.
"""

import random
from datetime import datetime

from sqlalchemy import Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.session import Row


class Relay(Row):
    """A mail server that refuses everybody, since when, and the sentence it refused with."""

    __tablename__ = "relays"

    name: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    since: Mapped[datetime]
    open_until: Mapped[datetime]
    reply: Mapped[str] = mapped_column(Text)


def closed_to(session: Session, name: str, now: datetime) -> Relay | None:
    """The open breaker of that server, while it is to be left alone."""
    found = session.get(Relay, name)
    return found if found and found.open_until > now else None


def refused(session: Session, name: str, reply: str, now: datetime) -> Relay:
    """The server refused everybody: leave it alone, longer each time."""
    found = session.get(Relay, name, with_for_update=True)
    if found is None:
        found = Relay(name=name, failures=0, since=now, open_until=now, reply=reply)
        session.add(found)
    if found.open_until <= now:  # several senders meet the same refusal; it counts once
        found.failures, found.reply = found.failures + 1, reply
        found.open_until = now + rules.breaker_wait(found.failures, random.random())
    return found


def answered(session: Session, name: str) -> None:
    """The server took a letter: its breaker is closed."""
    session.execute(delete(Relay).where(Relay.name == name))


def all_open(session: Session) -> list[Relay]:
    return list(session.scalars(select(Relay)))
