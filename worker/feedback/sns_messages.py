"""Verifies messages of Amazon SNS on the outside line, which alone asks other people's servers.

The certificate is fetched and kept for a day. A message that it proves is handled as any other event; a subscription is
confirmed; what it does not prove is deleted.
"""

import time
from datetime import datetime

from db import moments
from db.feedback import events
from db.jobs.jobs import Job
from db.session import Session, reading
from emails.bounces.bad_form import BadForm
from worker.feedback import sns
from worker.feedback.sns import SnsMessage
from worker.outside import http_client
from worker.outside.result import Result

CERTIFICATE_SECONDS = 24 * 3600.0
MOST_CERTIFICATES = 32
_certificates: dict[str, tuple[float, bytes]] = {}
"""When each was fetched, by its URL."""


class NotAnswered(Exception):
    """SNS answered, and not with success."""


def check(job: Job) -> Result:
    """Verify the message of a stored event, and do what it asks for."""
    event = int(job.payload["event"])
    with reading() as session:
        received = events.waiting(session, event)
    if received is None:
        return Result(dropped="the event is gone, or was handled")
    try:
        message = sns.read(received.raw)
    except BadForm as error:
        return _refused(event, str(error))
    if not sns.is_signed_by(message, _certificate(message.certificate_url), moments.now()):
        return _refused(event, "its signature is not that of Amazon SNS")
    if message.kind == "SubscriptionConfirmation":
        _get(message.subscribe_url)
    return Result(lambda session, now: _proven(session, event, message, now))


def _refused(event: int, reason: str) -> Result:
    return Result(lambda session, _: events.remove(session, [event]), dropped=f"a webhook’s message: {reason}")


def _proven(session: Session, event: int, message: SnsMessage, now: datetime) -> None:
    if not events.is_proven(session, event, events.key_of(message.signed_text)):
        return
    if message.kind == "Notification":
        events.to_be_handled(session, event, now)
    else:
        events.begin_handling(session, event, now)


def _certificate(url: str) -> bytes:
    fetched, pem = _certificates.get(url, (0.0, b""))
    if not pem or time.monotonic() - fetched > CERTIFICATE_SECONDS:
        pem = _get(url)
        while len(_certificates) >= MOST_CERTIFICATES:
            _certificates.pop(next(iter(_certificates)))
        _certificates[url] = time.monotonic(), pem
    return pem


def _get(url: str) -> bytes:
    answer = http_client.request("GET", url, {})
    if not answer.is_success:
        raise NotAnswered(f"{answer.host} answered {answer.status}.")
    return answer.body
