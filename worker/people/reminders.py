"""The look that reminds people once of a sign-up that they have not confirmed."""

from datetime import datetime

from db import moments
from db.deliveries import reminders
from db.session import writing
from worker.processes import ending

BATCH = 100


def remind(now: datetime | None = None) -> int:
    """Queue the reminders that are due. Each batch is a short transaction, and any number of workers may run it."""
    now, done, last = now or moments.now(), 0, BATCH
    while last == BATCH and not ending.asked():
        with writing() as session:
            last = reminders.owe(session, now, BATCH)
        done += last
    return done
