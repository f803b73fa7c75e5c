"""The look that removes what was only kept for a time: see worker/people/retention.py, which says what and how."""

import time
from datetime import datetime

import structlog

from db import moments
from worker.people import retention
from worker.processes import ending

GAP = 0.1
"""Seconds between two full batches: on SQLite a vote that waits for the lock tries again every 100 ms at the latest."""
SLICE = 10.0
"""Seconds of work before other looks get their turn; the next one of this kind comes within a minute."""

log = structlog.get_logger("forgetting")


def forget(now: datetime | None = None) -> None:
    """Run once a minute. Each batch is a short transaction, and any number of workers may run it side by side."""
    now, end = now or moments.now(), time.monotonic() + SLICE
    done = {kind: _in_batches(kind, now, end) for kind in retention.REMOVE}
    if any(done.values()):
        log.info("forgotten", **{kind.replace(" ", "_").replace("-", "_"): rows for kind, rows in done.items() if rows})


def _in_batches(kind: str, now: datetime, end: float) -> int:
    """Work until nothing is left or the slice ends. Returns how many."""
    done = 0
    while time.monotonic() < end and not ending.asked() and (gone := retention.remove(kind, now)):
        done += gone
        if gone == retention.BATCH:
            time.sleep(GAP)
    return done
