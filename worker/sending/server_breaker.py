"""Opens the mail server's circuit breaker for all senders, when the server refuses all mail of this process."""

import structlog

from db import moments
from db.deliveries.limits import breakers
from db.settings import settings
from emails.transports import transport_name
from worker.processes import turns
from worker.sending.settling import relay_backoff

log = structlog.get_logger("mail")


class BreakerOpen(Exception):
    """The mail server refuses all mail of this process: stop, without using up any letter's attempts. It holds the
    reply."""


def trip(reply: str, *, answered: bool = False) -> None:
    """Open the mail server's circuit breaker, and store its reply.

    If the server took letters just before, this is a new outage, and its back-off starts anew.
    """
    name = transport_name(settings().mail_url)
    with turns.writing() as session:
        if answered:
            breakers.answered(session, name)
        breaker = breakers.refused(session, name, reply, moments.now(), relay_backoff(reply))
    log.error("relay refuses", breaker=breaker.name, reply=reply, until=breaker.open_until.isoformat())
