"""What the connections of one process share while a slice lasts."""

import time
from dataclasses import dataclass, field
from datetime import timedelta

from db.settings import settings
from worker.processes import ending
from worker.sending.pace import Pace
from worker.sending.reply_history import ReplyHistory


@dataclass
class Slice:
    """The state that one process's connections share until `end` (monotonic seconds)."""

    end: float
    pace: Pace
    history: ReplyHistory
    stopped: bool = False
    broken: bool = False
    """Whether a batch was broken off: nothing is claimed until it is written."""
    answered: bool = False
    """Whether the server took a letter."""
    lease: timedelta = field(default_factory=lambda: timedelta(seconds=settings().send_lease))

    @property
    def over(self) -> bool:
        return self.stopped or self.broken or ending.asked() or time.monotonic() >= self.end
