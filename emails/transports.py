"""The one way out: a transport takes a message and says what became of it."""

from pathlib import Path
from ssl import SSLContext
from typing import Protocol
from urllib.parse import unquote, urlsplit

from emails.maildir import MaildirTransport
from emails.replies import Following, Meanwhile, Outcome, Outgoing, nobody, nothing
from emails.smtp import SmtpTransport
from emails.smtp_connection import Server, TimeOuts

__all__ = ["Outcome", "Outgoing", "Server", "TimeOuts", "Transport", "open_transport", "transport_name"]


class Transport(Protocol):
    """A mail server or a Maildir; for one thread."""

    @property
    def certain(self) -> bool:
        """Whether sending a letter again does no harm, since it lands in the same place."""

    def connect(self) -> Outcome | None:
        """Connect before anything is claimed, where no connection is kept; None when connected, else why not."""

    def send(self, letter: Outgoing, following: Following = nobody, meanwhile: Meanwhile = nothing) -> Outcome:
        """Hands over one letter; never raises for what the other side does.

        `following` may be asked for the letter that comes next, and that letter may be announced along with this one:
        whoever names one gives the very same to the next send, or the connection is given up. `meanwhile` is called
        once the whole letter has left, if there is an answer to wait for: what it does costs no time.
        """

    def close(self) -> None:
        """Say goodbye (QUIT); the next send connects again."""


def open_transport(mail_url: str, time_outs: TimeOuts | None = None, context: SSLContext | None = None) -> Transport:
    """The transport that MAIL_URL names; it connects at connect() or the first send."""
    scheme, _, rest = mail_url.partition(":")
    if scheme == "maildir":
        return MaildirTransport(Path(rest.removeprefix("//")))
    return SmtpTransport(_server(mail_url), time_outs or TimeOuts(), context)


def transport_name(mail_url: str) -> str:
    """The name of the transport for people: its address without the password."""
    scheme, _, rest = mail_url.partition(":")
    if scheme == "maildir":
        return f"maildir:{rest}"
    server = _server(mail_url)
    return f"{scheme}://{server.host}:{server.port}"


_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class BadMailUrl(ValueError):
    """A MAIL_URL that names no transport; the password in it is not repeated."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"MAIL_URL {reason}. Write maildir:FOLDER or smtp+starttls://USER:PASSWORD@HOST:PORT.")


def _server(mail_url: str) -> Server:
    try:
        parts = urlsplit(mail_url)
        port = parts.port
    except ValueError:
        raise BadMailUrl("has no usable host and port (write % as %25, / as %2F and @ as %40)") from None
    if parts.scheme not in _PORTS:
        raise BadMailUrl("begins with none of maildir:, smtp:, smtp+starttls:, smtps:")
    if not parts.hostname:
        raise BadMailUrl("names no host")
    user = unquote(parts.username) if parts.username else None
    return Server(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        security={"smtp": "none", "smtp+starttls": "starttls", "smtps": "tls"}[parts.scheme],  # type: ignore[arg-type]
        login=(user, unquote(parts.password or "")) if user else None,
    )
