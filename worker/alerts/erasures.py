"""What operators are told of an erasure that something has held up for hours; it is tried again until it is done."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from db.jobs import jobs
from db.monitoring.alerts import Condition
from db.session import Session

PATIENCE = timedelta(hours=6)
"""How long a back-up, or a letter under way, may well take."""


def unfinished_erasures(session: Session, now: datetime) -> Iterator[Condition]:
    """Erasures of which a job has been tried for hours."""
    waiting = jobs.held_up(session, now - PATIENCE)
    if waiting:
        job = waiting[0]
        yield Condition(
            "erasure", "erasure", "An erasure has waited for six hours",
            (f"Job {job.id} ({job.kind}) says: {job.said}", "It is tried again every five minutes until it is done."),
            f"/operator/jobs/{job.id}",
        )  # fmt: skip
