"""What `verdicts doctor` says of the inbox: whether it can be opened, or what else hears of bounces."""

import os
from collections.abc import Iterator

from db.settings import Settings
from emails.inboxes import InboxError, Mark, open_inbox


def inbox(config: Settings) -> Iterator[tuple[bool | None, str]]:
    """Open the inbox and count its mails; no mail is read. Without one, say what hears of bounces."""
    if config.inbox_url:
        yield _opened(config)
    elif config.outbox is None and not config.webhook_secret:
        yield None, _DEAF


_DEAF = (
    "neither INBOX_URL nor WEBHOOK_SECRET is set, so nothing hears of bounces unless a mail server pipes mails into "
    "verdicts bounces read: readers whose mailbox is gone are mailed again and again"
)


def _opened(config: Settings) -> tuple[bool, str]:
    try:
        with open_inbox(config) as found:
            number = len(found.mails(Mark()))
    except InboxError as error:
        return False, str(error)
    parts = [config.inbox_folder / each for each in ("new", "cur")] if config.inbox_folder else []
    if kept := [each for each in parts if each.exists() and not os.access(each, os.W_OK | os.X_OK)]:
        return (
            False,
            f"INBOX_URL: this user may not delete mails in {kept[0]}, where those that were handled would stay",
        )
    return True, f"INBOX_URL can be opened; {number:,} {'mail is' if number == 1 else 'mails are'} in it"
