"""What time it is, by the database's clock, so that all hosts of a site agree on leases and on what is due.

A process measures how far its own clock is from the database's whenever it opens a connection, and with each heartbeat.
SQLite is on the same machine and has no clock of its own.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_skew = timedelta(0)


def now() -> datetime:
    """The moment that it is, in UTC, by the database's clock as far as this process has measured it."""
    return datetime.now(UTC) - _skew


def skew() -> timedelta:
    """How far this host's clock is ahead of the database's; negative where it is behind."""
    return _skew


def since_boot() -> float:
    """Seconds since the machine started, by a clock that nobody sets; where the system tells it, with those slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def measure(database_time: Callable[[], datetime]) -> None:
    """Compare this host's clock with the database's; `database_time` asks the server once.

    The database read its clock at an unknown moment of the trip, so the skew lies between two bounds that are as far
    apart as the trip was long, and the last skew moves to the nearer one if it lies outside. So a slow answer, or one
    that a frozen process reads late, makes a good skew no worse, and now() is wrong by the trip at most. The trip is
    timed by a clock that nobody sets, since this host's date may be set meanwhile.
    """
    global _skew
    began = since_boot()
    told = database_time()
    most = datetime.now(UTC) - told
    trip = timedelta(seconds=since_boot() - began)
    _skew = min(max(_skew, most - trip), most)
