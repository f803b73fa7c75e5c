"""Notices when the time jumps ahead, so that a wrong date that is soon set right sends nothing.

With PostgreSQL the time is the database's. A host whose date is set wrong counts for a few seconds as one whose time
jumped: until its next heartbeat has measured its skew anew.
"""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from db import moments
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


_here: WallClock | None = None


def has_jumped() -> bool:
    """The same of the time by which this process goes, since it last asked; the first time it only takes note."""
    global _here
    of_day, own = moments.now().timestamp(), moments.since_boot()
    if _here is None:
        _here = WallClock(of_day - own)
    return _here.has_jumped(of_day, own)
