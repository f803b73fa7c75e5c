"""What operators are told about SEND_DAILY: once that a digest takes days, and when confirm letters wait for it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from db.deliveries import deliveries
from db.deliveries.limits import daily_limit, forecast
from db.deliveries.limits.daily_counts import DAY
from db.deliveries.limits.forecast import Limits
from db.digests import digests
from db.monitoring import ages
from db.monitoring.alerts import Condition
from db.session import Session
from db.settings import settings

LATELY = timedelta(minutes=30)
"""Letters trickle out as those of yesterday cease to count: one allowed for a moment is not the end of a wait."""


def limited_by_the_day(session: Session, now: datetime) -> Iterator[Condition]:
    """Digests that SEND_DAILY keeps going for days, and single letters that wait since it is reached."""
    daily = settings().send_daily
    if not daily:
        return
    limits = Limits(daily, 0, daily_limit.used(session, now))
    for digest in digests.listed(session, ("sending",)):
        if days := forecast.days(deliveries.count_waiting(session, digest.id), limits):
            yield Condition(
                f"daily:{digest.slot}",
                "daily",
                f"Digest {digest.slot} takes about {forecast.in_words(days * DAY)} more at SEND_DAILY {daily:,}",
                ("Nothing is wrong: it resumes by itself, and letters don't expire while they wait.",),
                f"/operator/digests/{digest.slot}",
            )
    age = ages.of_single_letters(session, now)
    if age is not None and age > settings().alert_age and daily_limit.reached_since(session, daily, now - LATELY, now):
        yield Condition(
            "daily:letters",
            "daily",
            f"Confirm letters wait: {daily:,} letters went out in 24 hours",
            (
                "That is SEND_DAILY. They go out by themselves when it allows letters again.",
                "Raise it if your mail server takes more.",
            ),
            "/operator/queues",
        )
