"""Emails operators about conditions that need attention: once while each lasts, and many of them in one email.

Webhooks are told of each at once, in the same transaction and through no job: an alert that jobs wait is told too.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from db import moments
from db.deliveries import deliveries
from db.jobs.events import AlertClosed, AlertOpened
from db.monitoring import alerts
from db.monitoring.alerts import Condition
from db.operators.operators import Operator
from db.persons import person_of
from db.session import reading, writing
from worker import votes
from worker.alerts import checks
from worker.webhooks.webhook_events import tell_webhooks

log = structlog.get_logger("alerts")

AT_ONCE = 5
"""Alerts of one check that get an email each; all further ones share one email."""
TOLD = ("operator", "admin")


def watch(now: datetime | None = None) -> None:
    """Run once a minute: open alerts for new conditions, email them, close those that are over. Safe in parallel."""
    now = now or moments.now()
    found, failed = look(now)
    with reading() as session:
        standing = {alert.key: alert.id for alert in alerts.standing(session)}
    new = [condition for key, condition in found.items() if key not in standing]
    # A check that failed says nothing, so no alert is closed because of it.
    over = [] if failed else [id_ for key, id_ in standing.items() if key not in found]
    if new or over:
        with writing() as session:
            for number in alerts.end(session, over, now):
                tell_webhooks(session, AlertClosed(number), now)
            _tell(session, new, now)


def look(now: datetime) -> tuple[dict[str, Condition], bool]:
    """Every condition by its key, and whether any check failed."""
    found: dict[str, Condition] = {}
    failed = False
    for each in checks.CHECKS:
        try:
            with reading() as session:
                found |= {condition.key: condition for condition in each(session, now)}
        except Exception:
            failed = True
            log.exception("look failed", look=each.__name__)
    if "age:votes" in found and not _votes_are_stuck(now):
        del found["age:votes"]
    return found, failed


def _votes_are_stuck(now: datetime) -> bool:
    """Whether votes are too old and dirty even after a fold just now. A dirty vote's age counts from when it
    was cast, and flagging an old vote makes it dirty again, so only votes still dirty after a fold are stuck."""
    try:
        votes.fold()
    except Exception:
        log.exception("fold failed")
    with reading() as session:
        return any(condition.key == "age:votes" for condition in checks.old_work(session, now))


def _tell(session: Session, new: Sequence[Condition], now: datetime) -> None:
    opened = []
    for condition in new:
        number = alerts.raise_new(session, condition, now)
        if number is not None:
            log.warning("alert", key=condition.key, title=condition.title)
            opened.append((number, condition))
            tell_webhooks(session, AlertOpened(number), now)
    letters = [number for number, _ in opened]
    if len(letters) > AT_ONCE:
        letters = [*letters[:AT_ONCE], _summary(session, [condition for _, condition in opened[AT_ONCE:]], now)]
    to = select(Operator.id).where(Operator.role.in_(TOLD), Operator.alerts, Operator.disabled_at.is_(None))
    for operator in session.scalars(to.order_by(Operator.id)).all():
        for number in letters:
            deliveries.owe(session, "alert", number, person_of(operator, "operator"), now)


def _summary(session: Session, rest: list[Condition], now: datetime) -> int:
    """Raise one alert for the email that lists all further conditions, and close it at once: each of those conditions
    has an alert of its own that stays open. Returns the id of the summary's alert."""
    listed = tuple(f"{condition.title}." for condition in rest[:20])
    more = (f"And {len(rest) - 20:,} more.",) if len(rest) > 20 else ()
    condition = Condition(
        f"more:{now.isoformat()}", "more", f"{len(rest):,} more alerts opened at the same time", listed + more,
        "/operator",
    )  # fmt: skip
    number = alerts.raise_new(session, condition, now)
    assert number is not None
    alerts.end(session, [number], now)
    return number
