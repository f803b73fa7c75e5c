"""Outside jobs, one at a time: claim one, make its request with no transaction open, and settle it.

1. The claim commits: the attempt is counted, and the job is this worker's until the lease ends.
2. The request is made. No transaction is open, and it takes ten seconds at most (worker/outside/http_client.py).
3. Its result is stored, if the job is still this worker's (id, attempt, running).
A process that is killed between 1 and 3 leaves a job whose lease lapses: it is made again, with the same id.
"""

import os
import random
import socket
import time
from collections.abc import Callable, Collection

import structlog

from db import moments
from db.feedback.events import CheckSnsMessage
from db.feedback.inbox_jobs import ReadInbox
from db.jobs import jobs, outside
from db.jobs.jobs import Job
from db.jobs.outside import OutsideRequest
from db.monitoring import pauses
from db.monitoring.dns_lookups import LookUpRecords
from db.refusals import refusal
from db.session import reading, writing
from db.settings import settings
from db.webhooks.messages import PostWebhookMessage
from worker.feedback import inbox, sns_messages
from worker.jobs import failures
from worker.outside import dns_lookups
from worker.outside.result import Result
from worker.webhooks import posting

Run = Callable[[Job], Result | None]
"""Makes a job's request; None says that it succeeded. It may ask the database first, in a transaction of its own."""

SETTLE_SECONDS = 60.0
"""How long a request's end is kept for a database that does not answer; then the lease lapses, and it is made again."""

log = structlog.get_logger("outside")


def claim_one(busy: Collection[str] = ()) -> Job | None:
    """Claim the job that has waited longest and whose receiver is not busy. None if there is none, or outside is
    paused."""
    now, kinds = moments.now(), _kinds()
    with reading() as session:
        if pauses.is_paused(session, "outside") or not outside.any_due(session, kinds, busy, now):
            return None
    with writing() as session:
        return outside.claim(session, kinds, busy, f"{socket.gethostname()}:{os.getpid()}", now)


def _kinds() -> list[str]:
    """Those that this line can make: only one with an INBOX_URL reads the inbox."""
    return [each.__name__ for each in OUTSIDE if each is not ReadInbox or settings().inbox_url]


def run(job: Job) -> None:
    """Make the request and settle the job."""
    try:
        with structlog.contextvars.bound_contextvars(job=job.id):
            result = OUTSIDE[OutsideRequest.kinds[job.kind]](job) or Result()
    except Exception as error:
        result = Result(error=error)
    _settle_patiently(job, result)


def _settle_patiently(job: Job, result: Result) -> None:
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            return _settle(job, result)
        except Exception as error:
            if refusal(error) is None:
                if result.rows is None:
                    raise
                result = Result(error=error)  # an error of ours, in what the result would have written
            elif time.monotonic() > until:
                log.warning("not settled; it will be made again", job=job.id, kind=job.kind, error=refusal(error))
                return None
        time.sleep(random.uniform(0.2, 1.0))


def _settle(job: Job, result: Result) -> None:
    now = moments.now()
    with writing() as session:
        if result.dropped:
            held = jobs.drop(session, job, result.dropped, now)
        elif result.error is not None:
            told = failures.without_urls(result.error)
            held = jobs.fail(session, job, told, now, final=result.final)
        else:
            held = jobs.succeed(session, job, now)
        if held and result.rows is not None:
            result.rows(session, now)
    if not held:
        log.warning("claim lost", job=job.id, kind=job.kind, attempt=job.attempt)
    elif result.error is not None:
        told_of = {"job": job.id, "kind": job.kind, "attempt": job.attempt, "receiver": job.receiver}
        log.warning("attempt failed", **told_of, error=type(result.error).__name__)


OUTSIDE: dict[type[OutsideRequest], Run] = {
    PostWebhookMessage: posting.post,
    CheckSnsMessage: sns_messages.check,
    ReadInbox: inbox.read,
    LookUpRecords: dns_lookups.look_up,
}
"""Which function makes which request. Other kinds stay pending, for a later release's line."""
