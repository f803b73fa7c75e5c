"""The mailbox that is read for what comes back: a Maildir of this machine, or one on an IMAP server.

Nothing is changed in it but by `delete`: answers of people stay unread, where they are.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from db.settings import Settings
from emails.inboxes.inbox import Inbox, InboxError, Mail, Mark
from emails.inboxes.maildir import MaildirInbox

__all__ = ["Inbox", "InboxError", "Mail", "Mark", "open_inbox"]


@contextmanager
def open_inbox(config: Settings) -> Iterator[Inbox]:
    """The mailbox that INBOX_URL names. Raises InboxError, whose words hold no password."""
    if config.inbox_folder is not None:
        yield MaildirInbox(config.inbox_folder)
        return
    from emails.inboxes.imap import ImapInbox  # only where there is such a server

    inbox = ImapInbox.open(config.inbox_url or "", config.inbox_token_command)
    try:
        yield inbox
    finally:
        inbox.close()
