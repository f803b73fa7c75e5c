"""What time it is, by the database's clock, so that all hosts of a site agree on leases and on what is due.

A process measures how far its own clock is from the database's whenever it opens a connection, and with each heartbeat.
SQLite is on the same machine and has no clock of its own.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

LONGEST_TRIP = timedelta(seconds=1)
"""An answer that took longer tells too little: the database read its clock at an unknown moment meanwhile."""

_skew = timedelta(0)


def now() -> datetime:
    """The moment that it is, in UTC, by the database's clock as far as this process has measured it."""
    return datetime.now(UTC) - _skew


def skew() -> timedelta:
    """How far this host's clock is ahead of the database's; negative where it is behind."""
    return _skew


def measure(database_time: Callable[[], datetime]) -> None:
    """Compare this host's clock with the database's; `database_time` asks the server once.

    The answer is right within half of the time that it took, so a skew within that of the last one stays as it was:
    moments would step back and forth without need.
    """
    global _skew
    before = datetime.now(UTC)
    told = database_time()
    trip = datetime.now(UTC) - before
    found = before + trip / 2 - told
    if timedelta(0) <= trip <= LONGEST_TRIP and abs(found - _skew) > trip / 2:
        _skew = found
