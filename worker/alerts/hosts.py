"""What operators are told of one host among several: its sender cannot send, while the others may."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from db.deliveries.limits import breakers
from db.monitoring import heartbeats
from db.monitoring.alerts import Condition
from db.monitoring.heartbeats import Heartbeat
from db.session import Session
from worker.alerts.quotes import quoted

LASTS = timedelta(minutes=3)
"""A sender that has had no letter taken for so long, and fails, needs somebody."""


def senders_that_fail(session: Session, now: datetime) -> Iterator[Condition]:
    """Hosts whose sender cannot begin to send. While the mail server refuses everybody, that is another alert."""
    if breakers.refusing_server(session):
        return
    sick: dict[str, Heartbeat] = {}
    for each in heartbeats.running(session, now):
        if each.kind == "sender" and each.fails(now) and _lasts(each, now):
            sick.setdefault(each.host or each.process, each)
    for host, each in sick.items():
        yield Condition(
            f"sender:{host}",
            "sender",
            f"Host {host} cannot reach the mail server, or cannot begin to send",
            (_says(each), "It tries again by itself, and other hosts go on sending."),
            "/operator",
        )


def _says(each: Heartbeat) -> str:
    return f"It says: {quoted(each.failure)}" if each.failure else "It gives no reason."


def _lasts(each: Heartbeat, now: datetime) -> bool:
    return max(each.taken_at or each.started_at, each.started_at) < now - LASTS
