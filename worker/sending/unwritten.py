"""Batches that were broken off: what is known of their letters stays in memory until the database has taken it.

A database that restarts while letters are sent is away for seconds or minutes, and what the mail server has answered
meanwhile is known here alone. While a batch is unwritten, its process claims nothing.
"""

import random
import threading
import time
from typing import Protocol

import structlog

from db.refusals import refusal
from worker.processes import ending

PATIENCE = 60.0
"""Seconds after which a thread stops trying: the next slice goes on with it."""
SHORTEST, LONGEST = 0.2, 2.0
"""Seconds between two tries, at first and in the end."""

log = structlog.get_logger("mail")


class Broken(Protocol):
    """A batch that was broken off."""

    def write_down(self) -> None:
        """Write what is known of its letters, and end its claim. It may be repeated after any error."""


_kept: list[Broken] = []
_lock = threading.Lock()


def write(batch: Broken) -> None:
    """Try to write it down for a minute. If that does not do, it is kept, and write_all() goes on with it."""
    with _lock:
        _kept.append(batch)
    _try(batch, time.monotonic() + PATIENCE)


def write_all() -> str | None:
    """Try to write down what earlier slices had to leave. None if nothing is left; else what the database said."""
    end = time.monotonic() + PATIENCE
    with _lock:
        left = list(_kept)
    return next(filter(None, (_try(each, end) for each in left)), None)


def _try(batch: Broken, end: float) -> str | None:
    longest, told = SHORTEST, ""
    while refused := _refused(batch):
        if not told:
            log.warning("what was sent cannot be written yet", error=refused)
        told = refused
        wait = random.uniform(longest / 2, longest)
        if time.monotonic() + wait > end and not ending.asked():
            return refused
        time.sleep(wait)  # a process that was told to end goes on until its time is up (worker/child.py)
        longest = min(LONGEST, 2 * longest)
    if told:
        log.warning("what was sent is written now")
    with _lock:
        _kept.remove(batch)
    return None


def _refused(batch: Broken) -> str | None:
    """What the database said when the batch could not be written down; None if it was."""
    try:
        batch.write_down()
    except Exception as error:
        if told := refusal(error):
            return told
        # An error of ours, which another try would repeat. The claim's lease will lapse.
        log.exception("a batch cannot be written down")
    return None
