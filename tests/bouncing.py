"""Readers whose addresses do not exist, a mail server that says so, and what is on record about it."""

from sqlalchemy import select, text

from db.operators.audit import Actor, AuditEntry
from db.session import reading, writing
from db.subscribers.suppressions import Suppression
from emails.replies import Outcome, judge
from tests.transports import digest

OLGA = Actor("olga@newsroom.example")
TAKEN = judge("dot", 250, "2.0.0 taken")


def readers(clock, addresses: list[str]) -> int:
    """A digest that is being sent to these people."""
    made = digest(clock, len(addresses))
    with writing() as session:
        for number, address in enumerate(addresses, 1):
            session.execute(text("UPDATE subscribers SET address = :it, address_key = :it WHERE id = :id"),
                            {"it": address, "id": number})  # fmt: skip
    return made


def apart(count: int) -> list[str]:
    """People who have a domain each."""
    return [f"reader-{number}@home-{number}.example" for number in range(count)]


def no_such_user(to: str) -> Outcome:
    return judge("rcpt", 550, f"5.1.1 <{to}>: Recipient address rejected: User unknown")


def unknown_are(*gone: str):
    """A mail server that knows no address with one of these endings."""
    return lambda to, number: no_such_user(to) if to.endswith(gone) else TAKEN


def suppressed() -> list[Suppression]:
    with reading() as session:
        return list(session.scalars(select(Suppression).order_by(Suppression.at, Suppression.subscriber_id)))


def audited() -> list[tuple[str, str, str | None]]:
    with reading() as session:
        return [(each.actor, each.action, each.about) for each in session.scalars(select(AuditEntry))]
