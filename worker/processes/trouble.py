"""Work that goes on failing, in few lines of the log: one when it begins, one a minute, and one when it is over."""

import time
from dataclasses import dataclass

import structlog

from db.refusals import refusal

EVERY = 60.0
"""Seconds between two lines about the same trouble, at least."""

QUIET = 30.0
"""Seconds without a failure after which it is over. One look proves little: it may find nothing due."""

log = structlog.get_logger("looks")


@dataclass
class Trouble:
    """How often the same work has failed without working in between."""

    what: str
    times: int = 0
    since: float = 0.0
    last: float = 0.0
    told: float = 0.0

    def met(self, error: Exception, *, known: bool) -> None:
        """It failed. A failure that is `known` is told in its own words, any other with its traceback at first."""
        now, first = time.monotonic(), self.times == 0
        self.times, self.last = self.times + 1, now
        if first:
            self.since = now
        elif now - self.told < EVERY:
            return
        self.told = now
        if first and not known and refusal(error) is None:
            log.error("cannot work", what=self.what, exc_info=error)
        else:
            how = {"times": self.times, "seconds": round(now - self.since)}
            log.error("cannot work", what=self.what, error=in_words(error), **({} if first else how))

    def over(self) -> None:
        """It went well, or had nothing to do; only after a while does that say that it works again."""
        if self.times and time.monotonic() - self.last >= QUIET:
            log.warning("works again", what=self.what, times=self.times, seconds=round(self.last - self.since))
            self.times = 0


def in_words(error: Exception) -> str:
    """The error's first line, or the database's own sentence."""
    return refusal(error) or next(iter(str(error).splitlines()), "") or type(error).__name__
