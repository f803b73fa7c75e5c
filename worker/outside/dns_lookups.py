"""Looks the site's DNS records up on the outside line, once an hour, for the console."""

import time

from db import moments
from db.jobs.jobs import Job
from db.monitoring import dns_lookups
from db.monitoring.dns_lookups import LookUpRecords
from db.session import reading, writing
from db.settings import Settings, settings
from emails.dns.dns_checks import check, warnings
from emails.dns.records import is_for_the_dns
from worker.outside.result import Result

ASKED_SECONDS = 60.0
"""How often an outside line asks the ledger whether the job is there."""
_asked: float | None = None


def keep_looking_up() -> None:
    """See to it that one job looks the records up; asked at each look of the outside line."""
    global _asked
    if not _has_records(settings()) or (_asked is not None and time.monotonic() - _asked < ASKED_SECONDS):
        return
    _asked = time.monotonic()
    with reading() as session:
        if dns_lookups.is_waiting(session):
            return
    with writing() as session:
        dns_lookups.owe_first(session, moments.now())


def look_up(job: Job) -> Result:
    """Ask the name servers, and queue the next time. A site whose letters stay in a Maildir has no next time."""
    from emails.dns.questions import questions  # few processes need dnspython

    config = settings()
    if not _has_records(config):
        return Result()
    found = tuple(
        {"line": each.record.line, "why": each.record.why, "well": each.well, "told": each.told}
        for each in check(config, questions())
    )
    request = LookUpRecords(moments.now().isoformat(), found, tuple(warnings(config)))
    return Result(lambda session, now: dns_lookups.owe_next(session, job, request, now))


def _has_records(config: Settings) -> bool:
    return config.outbox is None and is_for_the_dns(config)
