"""A mailbox on an IMAP server (RFC 9051 and 3501), always over TLS.

It is examined, not selected, and bodies are fetched with BODY.PEEK, so that no answer is marked as read. Only to delete
is it selected; without UIDPLUS (RFC 4315) deleted mails stay until somebody expunges, since EXPUNGE would also take
what another program has marked.
"""

import ssl
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from imaplib import IMAP4
from urllib.parse import unquote, urlsplit

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from emails.inboxes.inbox import InboxError, Mail, Mark
from emails.transports import access_tokens

SECONDS = 10.0
"""How long the server may be silent."""
AT_ONCE = 200
"""Mails that one command names: servers need not take lines of more than 8,000 characters (RFC 7162, section 4)."""
_FAILURES = (OSError, IMAPClientError, ValueError)
"""What imapclient raises; the last at answers that are none of IMAP."""


class ImapInbox:
    """A connection that has logged in, with the mailbox examined."""

    def __init__(self, client: IMAPClient, mailbox: str) -> None:
        self._client, self._mailbox = client, mailbox
        self.validity = 0
        self._uids: Sequence[int] = ()
        self._sizes: dict[int, object] = {}
        self._examine()

    @classmethod
    def open(cls, url: str, token_command: str | None) -> "ImapInbox":
        """Connect and log in. Raises InboxError."""
        parts = urlsplit(url)
        try:
            client = IMAPClient(parts.hostname, parts.port or 993, ssl_context=_context(), timeout=SECONDS)
        except _FAILURES as error:
            raise InboxError(f"The inbox at {parts.hostname} cannot be reached: {_why(error)}.") from None
        mailbox = unquote(parts.path.strip("/")) or "INBOX"
        try:
            _log_in(client, unquote(parts.username or ""), unquote(parts.password or ""), token_command)
            return cls(client, mailbox)
        except access_tokens.NoToken as error:
            _hang_up(client)
            raise InboxError(f"{error}.") from None
        except LoginError as error:
            _hang_up(client)
            what = "the token of INBOX_TOKEN_COMMAND" if token_command else "the login in INBOX_URL"
            raise InboxError(f"The inbox at {parts.hostname} {_why_no_login(error, what)}.") from None
        except _FAILURES as error:
            _hang_up(client)
            why = _why(error, f"it has no mailbox {mailbox}, or does not let this user read it")
            raise InboxError(f"The inbox at {parts.hostname} cannot be opened: {why}.") from None

    def _examine(self, *, readonly: bool = True) -> None:
        told = self._client.select_folder(self._mailbox, readonly=readonly)
        self.validity = int(told.get(b"UIDVALIDITY", 0))

    def mails(self, mark: Mark) -> Sequence[Mail]:
        after = mark.uid if mark.validity == self.validity else 0
        with self._in_words():
            uids = self._client.search(["UNDELETED", "UID", f"{after + 1}:*"])
        # The last mail's UID matches N:* whatever N is (RFC 9051 9, seq-range).
        self._uids = sorted(uid for uid in uids if uid > after)
        return [Mail(f"{self.validity}/{uid}", uid) for uid in self._uids]

    def read(self, mail: Mail, most: int) -> bytes | None:
        size = self._size(mail.number)
        raw = None
        if isinstance(size, int) and size <= most:
            raw = self._fetch([mail.number], "BODY.PEEK[]", b"BODY[]").get(mail.number)
        return raw if isinstance(raw, bytes) else None

    def _size(self, uid: int) -> object:
        """Its size, which is asked for together with those of the mails behind it; None if it is gone."""
        if uid not in self._sizes:
            following = [each for each in self._uids if each > uid][: AT_ONCE - 1]
            self._sizes = {uid: None} | self._fetch([uid, *following], "RFC822.SIZE", b"RFC822.SIZE")
        return self._sizes[uid]

    def _fetch(self, uids: Sequence[int], what: str, answered: bytes) -> dict[int, object]:
        with self._in_words():
            return {uid: told.get(answered) for uid, told in self._client.fetch(uids, [what]).items()}

    def delete(self, mails: Collection[Mail]) -> None:
        before, uids = self.validity, [each.number for each in mails]
        with self._in_words():
            self._examine(readonly=False)
            if self.validity != before:
                return  # the numbers mean other mails now
            for at in range(0, len(uids), AT_ONCE):
                self._client.delete_messages(uids[at : at + AT_ONCE], silent=True)
                if self._client.has_capability("UIDPLUS"):
                    self._client.uid_expunge(uids[at : at + AT_ONCE])

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise InboxError(f"The inbox at {self._client.host} broke off: {_why(error)}.") from None

    def close(self) -> None:
        """Say goodbye, and wait for no answer."""
        _hang_up(self._client)


def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _log_in(client: IMAPClient, user: str, password: str, token_command: str | None) -> None:
    if token_command is None:
        # LOGIN takes ASCII alone, unless the server says otherwise (RFC 6855).
        (client.login if f"{user}{password}".isascii() else client.plain_login)(user, password)
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
    with suppress(*_FAILURES):
        client.shutdown()


def _why_no_login(error: LoginError, what: str) -> str:
    """imapclient says so of each failure amid the login."""
    if isinstance(error.__context__, IMAP4.abort):
        return "broke off amid the login"
    if "[UNAVAILABLE]" in str(error):  # RFC 5530
        return "cannot check logins just now"
    return f"refuses {what}"


def _why(error: Exception, refused: str = "it refused a command") -> str:
    """What is wrong, without what the server says: it may quote the login. `refused` is what an answer of NO means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused ({error.verify_message.rstrip('.')})"
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING"):
        return "it speaks no TLS at that port"
    if isinstance(error, TimeoutError):
        return f"it has not answered for {SECONDS:.0f} s"
    if isinstance(error, IMAP4.abort | ConnectionError) and not isinstance(error, ConnectionRefusedError):
        return "the connection was closed"
    if isinstance(error, IMAP4.error):
        return refused
    return (getattr(error, "strerror", None) or "its answer cannot be read").rstrip(".")
