"""Notices when this machine's clock jumps ahead, so that a wrong date that is soon set right sends nothing."""

import time
from dataclasses import dataclass
from datetime import timedelta

import structlog

from db.values import duration

JUMP = timedelta(minutes=5)
"""By how much the clock has to jump; smaller steps are what keeps a clock right."""
WAIT = timedelta(minutes=5)
"""How long nothing opens or freezes after a jump ahead: until the date is set right, or somebody has looked.

It is no longer, since a virtual machine that stood still looks the same, and what it missed has to be caught up.
"""

log = structlog.get_logger("clock")


@dataclass
class WallClock:
    """The time of day, compared with the time since the machine started, which nobody sets; both in seconds."""

    ahead: float
    until: float = 0.0

    def has_jumped(self, of_day: float, own: float) -> bool:
        """Whether the clock has jumped ahead within the last minutes and has not been set back since."""
        by = timedelta(seconds=of_day - own - self.ahead)
        self.ahead = of_day - own
        if by > JUMP:
            self.until = own + WAIT.total_seconds()
            log.warning("clock jumped ahead; no digest opens or freezes", by=duration(by), for_=duration(WAIT))
        elif by < -JUMP:
            self.until = 0.0
            log.warning("clock was set back", by=duration(-by))
        return own < self.until


def _own() -> float:
    """Seconds since the machine started; where the system tells it, those that it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


_here = WallClock(time.time() - _own())


def has_jumped() -> bool:
    """The same of this machine's clock, since this process last asked."""
    return _here.has_jumped(time.time(), _own())
