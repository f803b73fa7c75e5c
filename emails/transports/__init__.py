"""Transports: each sends a message (over SMTP or into a Maildir) and returns its outcome."""

from dataclasses import replace
from pathlib import Path
from ssl import SSLContext
from typing import Protocol
from urllib.parse import unquote, urlsplit

from db.settings import Settings
from emails.messages.sender_identity import SenderIdentity
from emails.replies import Following, Meanwhile, Outcome, Outgoing, nobody, nothing
from emails.transports import access_tokens
from emails.transports.maildir import MaildirTransport
from emails.transports.smtp import SmtpTransport
from emails.transports.smtp_connection import Server, TimeOuts

__all__ = [
    "Outcome",
    "Outgoing",
    "Server",
    "TimeOuts",
    "Transport",
    "open_transport",
    "server_of",
    "transport_name",
    "transport_of",
]


class Transport(Protocol):
    """A mail server or a Maildir; not thread-safe."""

    @property
    def certain(self) -> bool:
        """Whether sending is idempotent: sending a letter again overwrites the same file."""

    def connect(self) -> Outcome | None:
        """Connects, unless a connection is kept; called before any claim. None on success, else the refusal."""

    def send(self, letter: Outgoing, following: Following = nobody, meanwhile: Meanwhile = nothing) -> Outcome:
        """Hands over one letter; never raises for a failure of the other side.

        `following` may be called for the next letter, whose commands may then be pipelined behind this one: the next
        send must get that same letter, or the connection is closed. `meanwhile` is called while the sender waits for
        the final reply, so its work costs no extra time.
        """

    def close(self) -> None:
        """Ends the session (QUIT); the next send connects again."""

    def cut(self) -> None:
        """Breaks the connection, for another thread: a send() that waits for the server returns at once."""


def transport_of(config: Settings) -> Transport:
    """The transport that the settings name."""
    server = server_of(config)
    return SmtpTransport(server, TimeOuts()) if server else open_transport(config.mail_url)


def server_of(config: Settings) -> Server | None:
    """The mail server that the settings name, and what a sender says to it; None for a Maildir."""
    if config.outbox is not None:
        return None
    tokens = access_tokens.of(config.mail_token_command) if config.mail_token_command else None
    domain = SenderIdentity.of(config).domain
    return replace(_server(config.mail_url), ehlo=config.mail_ehlo, domain=domain, tokens=tokens)


def open_transport(
    mail_url: str,
    time_outs: TimeOuts | None = None,
    context: SSLContext | None = None,
    token_command: str | None = None,
) -> Transport:
    """The transport for this MAIL_URL; it connects at connect() or the first send."""
    scheme, _, rest = mail_url.partition(":")
    if scheme == "maildir":
        return MaildirTransport(Path(rest.removeprefix("//")))
    server = _server(mail_url)
    if token_command:
        server = replace(server, tokens=access_tokens.of(token_command))
    return SmtpTransport(server, time_outs or TimeOuts(), context)


def transport_name(mail_url: str) -> str:
    """The transport's name for display: its address without the password."""
    scheme, _, rest = mail_url.partition(":")
    if scheme == "maildir":
        return f"maildir:{rest}"
    server = _server(mail_url)
    return f"{scheme}://{server.host}:{server.port}"


_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class BadMailUrl(ValueError):
    """A MAIL_URL that names no transport; the message does not repeat its password."""

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
