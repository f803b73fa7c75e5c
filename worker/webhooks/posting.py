"""Posts webhooks' messages, each an outside job of its own, with the same id and body on every try.

Of what a server answers the status counts and nothing else: its text is not kept, since it may quote the URL.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from db import moments, rules
from db.jobs import outside
from db.jobs.jobs import Job
from db.operators import audit
from db.operators.audit import Actor
from db.session import Session, reading
from db.webhooks import messages, webhooks
from db.webhooks.messages import WebhookMessage
from db.webhooks.webhooks import Webhook
from worker.outside import http_client
from worker.outside.errors import OutsideError
from worker.outside.http_client import Answer
from worker.outside.result import Result
from worker.webhooks import signature

LINE = Actor("outside")
TRIED_FOR = webhooks.GIVEN_UP + timedelta(hours=3)
"""How long a message is tried by itself: past the moment at which its webhook is given up for a day of failures."""
WAIT = timedelta(hours=2)
"""The longest back-off of a message, so that a server which is up again hears of it on the same morning."""
NAMED_WAIT = timedelta(hours=6)
"""The longest wait that a server may ask for with Retry-After."""


class NotTaken(Exception):
    """The server answered, and not with success."""


class SecretLost(Exception):
    """The webhook's URL or secret cannot be read: the SECRET_KEY that they were encrypted with is gone."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with one try, and for how long the server asked to be left alone."""

    error: Exception
    status: int | None = None
    named: timedelta | None = None


def post(job: Job) -> Result:
    """Post a job's message to its webhook. A message to one that is disabled or removed is left out."""
    with reading() as session:
        message = session.get(WebhookMessage, job.payload["message"])
        webhook = session.get(Webhook, message.webhook_id) if message else None
    if message is None or webhook is None:
        return Result(dropped="the webhook was removed")
    if webhook.disabled_at is not None:
        return Result(dropped=f"webhook {webhook.id} is disabled")
    try:
        answer = http_client.post(*_request(webhook, message))
    except (OutsideError, SecretLost) as error:
        return _failed(job, message, Failure(error))
    if not answer.is_success:
        return _failed(job, message, _refused(answer))
    return _taken(message, answer.status)


def _request(webhook: Webhook, message: WebhookMessage) -> tuple[str, dict[str, str], bytes]:
    now = moments.now()
    url, secrets = webhook.url, webhook.secrets(now)
    if url is None or not secrets:
        raise SecretLost("This webhook was encrypted with a SECRET_KEY that is gone: remove it and add it again.")
    if webhook.form == "chat":
        body = signature.sentence_of(message.text)
    else:
        body = signature.body_of(message.event_type, message.at, message.data)
    return url, signature.headers_of(message.message_id, body, secrets, now), body


def _refused(answer: Answer) -> Failure:
    phrase = next((f" ({each.phrase})" for each in HTTPStatus if each == answer.status), "")
    named = named_wait(answer.headers.get("retry-after", ""), moments.now()) if answer.status in (429, 503) else None
    return Failure(NotTaken(f"{answer.host} answered {answer.status}{phrase}."), answer.status, named)


def named_wait(written: str, now: datetime) -> timedelta | None:
    """The wait that Retry-After names, in seconds or as a date (RFC 9110 10.2.3); at most NAMED_WAIT."""
    if written.isascii() and written.isdigit():
        return min(timedelta(seconds=int(written[:9])), NAMED_WAIT)
    try:
        return min(max(parsedate_to_datetime(written) - now, timedelta(0)), NAMED_WAIT)
    except (TypeError, ValueError):  # no date, or one without a zone
        return None


# ---- what is written when the job is settled ---------------------------------------------------------------------


def _taken(message: WebhookMessage, status: int) -> Result:
    def rows(session: Session, now: datetime) -> None:
        messages.answered(session, message.id, status, None, now)
        webhooks.succeeded(session, message.webhook_id)

    return Result(rows)


def _failed(job: Job, message: WebhookMessage, failure: Failure) -> Result:
    """A failed try: the webhook is given up if it has failed for a day, or at once if it is gone; otherwise the message
    waits for its next try. The ledger would end a job after three hours, and a server may be down for a night."""

    def rows(session: Session, now: datetime) -> None:
        messages.answered(session, message.id, failure.status, str(failure.error), now)
        webhooks.failed(session, message.webhook_id, now)
        if _given_up(session, message.webhook_id, failure, now):
            outside.set_aside(session, job, f"webhook {message.webhook_id} is disabled", now)
        elif now - message.created_at < TRIED_FOR:
            backoff = min(rules.job_backoff(job.attempt, random.random()), WAIT)
            outside.put_off(session, job, now + max(backoff, failure.named or backoff))

    return Result(rows, failure.error)


def _given_up(session: Session, webhook_id: int, failure: Failure, now: datetime) -> bool:
    gone = failure.status == HTTPStatus.GONE
    reason = f"{failure.error} It asks for nothing more." if gone else f"It has failed for a day. {failure.error}"
    if not webhooks.give_up(session, webhook_id, "gone" if gone else "failures", reason, now):
        return False
    after: dict[str, Any] = {"at": webhooks.get(session, webhook_id).origin, "state": "disabled"}
    audit.record(session, LINE, "webhooks.disable", now, about=f"webhook {webhook_id}", ids=[webhook_id], after=after,
                 note=reason)  # fmt: skip
    return True
