"""A mailbox on an IMAP server (RFC 9051 and 3501), always over TLS.

It is examined, not selected, and bodies are fetched with BODY.PEEK, so that no answer is marked as read. Only to delete
is it selected; without UIDPLUS (RFC 4315) deleted mails stay until somebody expunges, since EXPUNGE would also take
what another program has marked.
"""

import ssl
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import unquote, urlsplit

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from emails import access_tokens
from emails.inboxes.inbox import InboxError, Mail, Mark

SECONDS = 10.0
"""How long the server may be silent."""


class ImapInbox:
    """A connection that has logged in, with the mailbox examined."""

    def __init__(self, client: IMAPClient, mailbox: str) -> None:
        self._client, self._mailbox = client, mailbox
        self.validity = 0
        self._examine()

    @classmethod
    def open(cls, url: str, token_command: str | None) -> "ImapInbox":
        """Connect and log in. Raises InboxError."""
        parts = urlsplit(url)
        try:
            client = IMAPClient(parts.hostname, parts.port or 993, ssl_context=_context(), timeout=SECONDS)
        except (OSError, IMAPClientError) as error:
            raise InboxError(f"The inbox at {parts.hostname} cannot be reached: {_why(error)}.") from None
        try:
            _log_in(client, unquote(parts.username or ""), unquote(parts.password or ""), token_command)
            return cls(client, unquote(parts.path.strip("/")) or "INBOX")
        except access_tokens.NoToken as error:
            _hang_up(client)
            raise InboxError(f"{error}.") from None
        except LoginError:
            _hang_up(client)
            what = "the token of INBOX_TOKEN_COMMAND" if token_command else "the login in INBOX_URL"
            raise InboxError(f"The inbox at {parts.hostname} refuses {what}.") from None
        except (OSError, IMAPClientError) as error:
            _hang_up(client)
            raise InboxError(f"The inbox at {parts.hostname} cannot be opened: {_why(error)}.") from None

    def _examine(self, *, readonly: bool = True) -> None:
        told = self._client.select_folder(self._mailbox, readonly=readonly)
        self.validity = int(told.get(b"UIDVALIDITY", 0))

    def mails(self, mark: Mark) -> Sequence[Mail]:
        after = mark.uid if mark.validity == self.validity else 0
        with self._in_words():
            uids = self._client.search(["UNDELETED", "UID", f"{after + 1}:*"])
        # The last mail's UID matches N:* whatever N is (RFC 9051 9, seq-range).
        return [Mail(f"{self.validity}/{uid}", uid) for uid in sorted(uids) if uid > after]

    def read(self, mail: Mail, most: int) -> bytes | None:
        size = self._fetch(mail, "RFC822.SIZE", b"RFC822.SIZE")
        raw = self._fetch(mail, "BODY.PEEK[]", b"BODY[]") if isinstance(size, int) and size <= most else None
        return raw if isinstance(raw, bytes) else None

    def _fetch(self, mail: Mail, what: str, answered: bytes) -> object:
        with self._in_words():
            return self._client.fetch([mail.number], [what]).get(mail.number, {}).get(answered)

    def delete(self, mails: Collection[Mail]) -> None:
        before, uids = self.validity, [each.number for each in mails]
        with self._in_words():
            self._examine(readonly=False)
            if self.validity != before:
                return  # the numbers mean other mails now
            self._client.delete_messages(uids, silent=True)
            if self._client.has_capability("UIDPLUS"):
                self._client.uid_expunge(uids)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (OSError, IMAPClientError) as error:
            raise InboxError(f"The inbox at {self._client.host} broke off: {_why(error)}.") from None

    def close(self) -> None:
        """Say goodbye, and wait for no answer."""
        _hang_up(self._client)


def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _log_in(client: IMAPClient, user: str, password: str, token_command: str | None) -> None:
    if token_command is None:
        client.login(user, password)
        return
    tokens = access_tokens.of(token_command, "INBOX_TOKEN_COMMAND")
    token = tokens.get()
    try:
        client.oauth2_login(user, token.value)
    except LoginError:
        tokens.was_refused(token)
        if not token.is_kept:
            raise
        token = tokens.get()
        try:
            client.oauth2_login(user, token.value)
        except LoginError:
            tokens.was_refused(token)
            raise


def _hang_up(client: IMAPClient) -> None:
    with suppress(OSError, IMAPClientError):
        client.shutdown()


def _why(error: Exception) -> str:
    """What is wrong, without what the server says: it may quote the login."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return f"it has not answered for {SECONDS:.0f} s"
    return (getattr(error, "strerror", None) or type(error).__name__).rstrip(".")
