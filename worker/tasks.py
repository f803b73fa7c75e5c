"""The Celery tasks that messages name; each reads from the tables what there is to do."""

import gc
import sys
from typing import Any

from celery.signals import celeryd_after_setup

from db.monitoring import pauses
from db.session import reading
from db.setting_errors import BadSettings
from db.settings import settings
from emails.dkim import BadKey
from emails.transports import BadMailUrl, open_transport
from worker import (
    alerts,
    bell,
    digests,
    forgetting,
    heartbeats,
    jobs,
    letters,
    schema_gate,
    send_slice,
    votes,
    wall_clock,
)
from worker.app import SENDER_LIMIT, app

__all__ = ["heartbeats", "schema_gate"]  # imported for its signals


def send_unless_paused() -> None:
    """A slice of sending. While mail is paused it only recovers dead senders' claims; a running slice finishes."""
    with reading() as session:
        paused = pauses.is_paused(session, "mail")
    if paused:
        send_slice.recover()
    else:
        send_slice.send()


def tick_unless_jumped() -> None:
    """A tick of the digests. After a jump of the clock it opens and freezes nothing for a while."""
    digests.tick(opens=not wall_clock.has_jumped())


app.task(name="votes.fold")(schema_gate.checked(votes.fold))
app.task(name="jobs.work")(schema_gate.checked(jobs.work))
app.task(name="mail.send", soft_time_limit=None, time_limit=SENDER_LIMIT)(schema_gate.checked(send_unless_paused))
app.task(name="digests.tick")(schema_gate.checked(tick_unless_jumped))
app.task(name="people.forget")(schema_gate.checked(forgetting.forget))
app.task(name="alerts.watch")(schema_gate.checked(alerts.watch))

bell.attach()


@celeryd_after_setup.connect
def keep_what_is_loaded(**_: Any) -> None:
    """Freeze loaded objects for the garbage collector: it skips them while sending, and forked children share pages."""
    gc.collect()
    gc.freeze()


@celeryd_after_setup.connect
def check_sender(instance: Any, **_: Any) -> None:
    """End a sender with a clear message before it claims, if its DKIM key or its MAIL_URL is unusable."""
    if "mail" in instance.app.amqp.queues.consume_from:
        try:
            letters.signer(settings())
            open_transport(settings().mail_url)
        except (BadKey, BadMailUrl, BadSettings) as error:
            sys.exit(f"Error: {error}")
