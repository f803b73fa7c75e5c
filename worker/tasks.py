"""The work of workers and senders, and the Celery tasks that wake them to it."""

import gc
import sys
from collections.abc import Callable
from typing import Any

from celery.signals import celeryd_after_setup, worker_process_init

from db.monitoring import pauses
from db.session import reading
from db.setting_errors import BadSettings
from db.settings import settings
from emails.messages.dkim_keys import BadKey
from emails.transports import BadMailUrl, open_transport
from worker import bell, celery_signals, child, votes
from worker.alerts import alerts
from worker.app import app
from worker.digests import weekly_run
from worker.jobs import jobs
from worker.letters import composing
from worker.people import forgetting, reminders
from worker.processes import ending, schedule, wall_clock
from worker.sending import send_slice

__all__ = ["celery_signals"]  # imported for its signals


def send_unless_paused() -> bool:
    """A slice of sending. While mail is paused it only recovers dead senders' claims; a running slice finishes. True if
    letters are left."""
    with reading() as session:
        paused = pauses.is_paused(session, "mail")
    if paused:
        send_slice.recover()
        return False
    return send_slice.send()


def tick_unless_jumped() -> None:
    """A tick of the digests. After a jump of the clock it opens and freezes nothing for a while."""
    weekly_run.tick(opens=not wall_clock.has_jumped())


def look_after_people() -> None:
    """Remind people of sign-ups, and forget what was kept for its time."""
    reminders.remind()
    forgetting.forget()


WORKS: dict[str, Callable[[], object]] = {
    "votes.fold": votes.fold,
    "jobs.work": jobs.work,
    "mail.send": send_unless_paused,
    "digests.tick": tick_unless_jumped,
    "people.forget": look_after_people,
    "alerts.watch": alerts.watch,
}
"""What a look does. It returns something true if it left work that can be gone on with at once."""


def _waking(task: str) -> Callable[[], None]:
    def wake() -> None:
        child.ring(task)

    return wake


for _task in WORKS:
    app.task(_waking(_task), name=_task)

bell.attach()


@celeryd_after_setup.connect
def keep_what_is_loaded(**_: Any) -> None:
    """Freeze loaded objects for the garbage collector: it skips them while sending, and forked children share pages."""
    gc.collect()
    gc.freeze()


@celeryd_after_setup.connect
def prepare_to_end(**_: Any) -> None:
    """Make the pipe over which the children are told to end, before any is forked."""
    ending.prepare()


@worker_process_init.connect
def start_looking(**_: Any) -> None:
    """In a child: start to look for the work of its queues."""
    queues = app.amqp.queues.consume_from
    works = {entry: WORKS[entry.task] for entry in schedule.ENTRIES if entry.queue in queues}
    child.start("sender" if "mail" in queues else "worker", works)


@celeryd_after_setup.connect
def check_sender(instance: Any, **_: Any) -> None:
    """End a sender with a clear message before it claims, if its DKIM key or its MAIL_URL is unusable."""
    if "mail" in instance.app.amqp.queues.consume_from:
        try:
            composing.signer(settings())
            open_transport(settings().mail_url)
        except (BadKey, BadMailUrl, BadSettings) as error:
            sys.exit(f"Error: {error}")
