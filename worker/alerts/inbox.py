"""What operators are told about the inbox: that it cannot be read, so that nothing is heard of bounces."""

from collections.abc import Iterator
from datetime import datetime

from db.feedback import inbox_jobs
from db.monitoring.alerts import Condition
from db.session import Session
from db.values import duration


def unread_inbox(session: Session, now: datetime) -> Iterator[Condition]:
    """The inbox that cannot be opened, after several tries; over as soon as it can."""
    found = inbox_jobs.failing(session)
    if found:
        yield Condition(
            "inbox", "inbox", f"The inbox has not been read for {duration(now - found.since)}",
            (found.said, "Bounces, complaints and mails that unsubscribe wait there. It is tried again by itself; "
             "verdicts doctor tries it at once."),
            f"/operator/jobs/{found.job}",
        )  # fmt: skip
