"""Jobs whose worker gave no sign of life within its lease, of events and of the outside line alike."""

from db import moments
from db.jobs import jobs
from db.session import reading, writing


def recover() -> None:
    """End the attempts of dead workers."""
    now = moments.now()
    with reading() as session:
        lapsed = jobs.any_lapsed(session, now)
    if lapsed:
        with writing() as session:
            jobs.recover(session, now)
