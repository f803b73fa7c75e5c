"""Forgets what was only kept for a time: sign-ups that nobody confirmed, limits that are over, and what webhooks were
told a month ago."""

import time
from collections.abc import Callable
from datetime import datetime

import structlog

from db import limits, moments
from db.deliveries import erasure
from db.session import reading, writing
from db.subscribers import unconfirmed
from db.webhooks import messages as webhook_messages
from worker import ending

BATCH = 200
GAP = 0.1
"""Seconds between two full batches: on SQLite a vote that waits for the lock tries again every 100 ms at the latest."""
SLICE = 10.0
"""Seconds of work before other looks get their turn; the next one of this kind comes within a minute."""

log = structlog.get_logger("forgetting")


def forget(now: datetime | None = None) -> None:
    """Run once a minute. Each batch is a short transaction, and any number of workers may run it side by side."""
    now, end = now or moments.now(), time.monotonic() + SLICE
    sign_ups = _in_batches(_forget_sign_ups, now, end)
    buckets = _in_batches(_forget_buckets, now, end)
    messages = _in_batches(_forget_messages, now, end)
    if sign_ups or buckets or messages:
        log.info("forgotten", unconfirmed_sign_ups=sign_ups, limits_that_are_over=buckets, webhook_messages=messages)


def _in_batches(batch: Callable[[datetime], int], now: datetime, end: float) -> int:
    """Work until nothing is left or the slice ends. Returns how many."""
    done = 0
    while time.monotonic() < end and not ending.asked() and (gone := batch(now)):
        done += gone
        if gone == BATCH:
            time.sleep(GAP)
    return done


def _forget_sign_ups(now: datetime) -> int:
    """Forget a batch of sign-ups, with the mail servers' replies, which may quote the address. Returns how many."""
    with reading() as session:
        if not unconfirmed.over(session, now, 1):
            return 0
    with writing() as session:
        return erasure.forget_sign_ups(session, now, BATCH)


def _forget_buckets(now: datetime) -> int:
    with reading() as session:
        if not limits.any_full(session, now):
            return 0
    with writing() as session:
        return limits.forget_full(session, now, BATCH)


def _forget_messages(now: datetime) -> int:
    with reading() as session:
        if not webhook_messages.any_old(session, now):
            return 0
    with writing() as session:
        return webhook_messages.forget(session, now, BATCH)
