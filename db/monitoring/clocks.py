"""Hosts whose clocks are off, as the heartbeats of their processes tell it."""

from datetime import datetime, timedelta

from db.monitoring import heartbeats
from db.session import Session
from db.values import duration

OFF = timedelta(seconds=2)
"""From here on a host is named. NTP keeps a clock right within a few hundredths of a second."""


def off(session: Session, now: datetime) -> dict[str, timedelta]:
    """By how much the clock of each such host is ahead of the database's, or behind it (negative)."""
    found: dict[str, timedelta] = {}
    for each in heartbeats.running(session, now):
        host, by = each.host or each.process, timedelta(seconds=each.skew or 0.0)
        if abs(by) >= max(OFF, abs(found.get(host, by))):
            found[host] = by
    return found


def in_words(by: timedelta) -> str:
    """90 s ahead, or 12 min behind."""
    return f"{duration(timedelta(seconds=round(abs(by).total_seconds())))} {'ahead' if by > timedelta(0) else 'behind'}"
