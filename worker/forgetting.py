"""Forgets what was only kept for a time: sign-ups that nobody confirmed, and limits that are over."""

import time
from datetime import UTC, datetime

import structlog

from db import limits
from db.deliveries import deliveries
from db.persons import person_of
from db.session import reading, writing
from db.subscribers import unconfirmed

BATCH = 200
SLICE = 10.0
"""Seconds of work before the task ends; the clock rings again within a minute."""

log = structlog.get_logger("forgetting")


def forget(now: datetime | None = None) -> None:
    """Run by the clock. Each batch is a short transaction, and any number of workers may run it side by side."""
    now, end = now or datetime.now(UTC), time.monotonic() + SLICE
    sign_ups = buckets = 0
    while time.monotonic() < end and (gone := _forget_sign_ups(now)):
        sign_ups += gone
    while time.monotonic() < end and (gone := _forget_buckets(now)):
        buckets += gone
    if sign_ups or buckets:
        log.info("forgotten", unconfirmed_sign_ups=sign_ups, limits_that_are_over=buckets)


def _forget_sign_ups(now: datetime) -> int:
    """Forget a batch of sign-ups, with the mail servers' replies, which may quote the address. Returns how many."""
    with reading() as session:
        if not unconfirmed.over(session, now, 1):
            return 0
    with writing() as session:
        numbers = unconfirmed.forget(session, now, BATCH)
        for number in numbers:
            deliveries.forget(session, person_of(number))
    return len(numbers)


def _forget_buckets(now: datetime) -> int:
    with reading() as session:
        if not limits.any_full(session, now):
            return 0
    with writing() as session:
        return limits.forget_full(session, now, BATCH)
