"""The tasks that messages name: five ways to ask the tables what is owed."""

import sys
from typing import Any

from celery.signals import celeryd_after_setup

from db.settings import BadSettings, settings
from emails.dkim import BadKey
from emails.doors import BadMailUrl, open_door
from worker import alerts, bell, digests, jobs, letters, sender, votes
from worker.app import SENDER_LIMIT, app

app.task(name="votes.fold")(votes.fold)
app.task(name="jobs.work")(jobs.work)
app.task(name="mail.send", soft_time_limit=None, time_limit=SENDER_LIMIT)(sender.send)
app.task(name="digests.tick")(digests.tick)
app.task(name="alerts.watch")(alerts.watch)

bell.hang()


@celeryd_after_setup.connect
def check_sender(instance: Any, **_: Any) -> None:
    """A sender whose key cannot sign or whose MAIL_URL names no door ends here, in words, before it claims anything."""
    if "mail" in instance.app.amqp.queues.consume_from:
        try:
            letters.signer(settings())
            open_door(settings().mail_url)
        except (BadKey, BadMailUrl, BadSettings) as error:
            sys.exit(f"Error: {error}")
