"""A conversation with a mail server: smtplib's greeting, TLS and login over a reader that trusts nothing."""

import re
import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from functools import cache
from time import monotonic
from typing import Literal, NamedTuple

from emails.outcomes import Stage

_REPLY = re.compile(rb"([1-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_LONGEST_LINE = 4096
_MOST_LINES = 200


@dataclass(frozen=True)
class TimeOuts:
    """Seconds that the server has: to connect, to answer a command, to answer the final dot."""

    connect: float = 30
    command: float = 60
    dot: float = 300


@dataclass(frozen=True)
class Server:
    """Where the mail server is and how to talk to it."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"] = "none"
    login: tuple[str, str] | None = field(default=None, repr=False)


class Reply(NamedTuple):
    """A server's answer; the text of several lines is joined by spaces."""

    code: int
    text: str


class OutOfStep(smtplib.SMTPException):
    """The server said what no server may say here: nothing further on this connection can be trusted."""


class Conversation(smtplib.SMTP):
    """One connection, from the greeting on. `stage` tells how far it has come, for the account of a failure."""

    # smtplib fills these in; its own annotations leave them out.
    sock: socket.socket
    esmtp_features: dict[str, str]

    def __init__(self, server: Server, time_outs: TimeOuts, context: ssl.SSLContext | None) -> None:
        super().__init__(local_hostname=_own_name(), timeout=time_outs.connect)
        self.stage: Stage = "connect"
        self._server, self._time_outs = server, time_outs
        self._context = context
        self._host = server.host  # the name that STARTTLS checks the certificate against
        self._unread = b""

    def open(self) -> Reply | None:
        """Connects, greets, encrypts and logs in; a reply that stands in the way is returned."""
        code, text = self.connect(self._server.host, self._server.port)
        if code != 220:
            return Reply(code, _joined(text))
        self.stage = "hello"
        self.ehlo_or_helo_if_needed()
        if self._server.security == "starttls":
            self.stage = "tls"
            self.starttls(context=self._context or _default_context())
            if self._unread:
                raise OutOfStep("the server went on in clear text after STARTTLS")
            self.ehlo()
        if self._server.login:
            self.stage = "login"
            self.login(*self._server.login)
        return None

    @property
    def pipelining(self) -> bool:
        return "pipelining" in self.esmtp_features

    @property
    def largest(self) -> int:
        """The size of message that the server takes at most (RFC 1870); 0 when it does not say."""
        size = self.esmtp_features.get("size", "").strip()
        return int(size) if size.isascii() and size.isdigit() else 0

    def write(self, raw: bytes) -> None:
        """Sends all of it within the time of a command; after an error some of it has not left."""
        self.sock.settimeout(self._time_outs.command)
        self.sock.sendall(raw)

    def reply(self) -> Reply:
        """The next reply; OSError or SMTPException when none comes in time, or none that makes sense."""
        code, text = self.getreply()
        return Reply(code, _joined(text))

    def getreply(self) -> tuple[int, bytes]:
        # smtplib's own steps read through this too, so that they share the limits and the time-outs.
        allowed = self._time_outs.dot if self.stage == "dot" else self._time_outs.command
        self.sock.settimeout(allowed)
        deadline = monotonic() + allowed
        texts: list[bytes] = []
        first = None
        while True:
            found = _REPLY.fullmatch(self._line(deadline))
            if not found or first not in (None, found[1]) or len(texts) == _MOST_LINES:
                raise OutOfStep("the server's reply is not SMTP")
            first = found[1]
            texts.append(found[3] or b"")
            if found[2] != b"-":
                return int(first), b"\n".join(texts)

    def _line(self, deadline: float) -> bytes:
        while True:
            line, found, rest = self._unread.partition(b"\n")
            if found:
                self._unread = rest
                return line.rstrip(b"\r")
            if len(line) > _LONGEST_LINE:
                raise OutOfStep("the server's reply does not end")
            if line:
                self.sock.settimeout(max(deadline - monotonic(), 0.001))
            received = self.sock.recv(65536)
            if not received:
                raise smtplib.SMTPServerDisconnected("the server closed the connection")
            self._unread += received

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # Without NODELAY the kernel waits for an acknowledgement between the parts of each TLS record.
        sock = socket.create_connection((host, port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._server.security == "tls":
            self.stage = "tls"
            sock = (self._context or _default_context()).wrap_socket(sock, server_hostname=host)
        self.stage = "greeting"
        return sock

    def goodbye(self) -> None:
        """QUIT, without waiting for long: every letter's fate is known by now."""
        try:
            self.sock.settimeout(min(self._time_outs.command, 5))
            self.sock.sendall(b"QUIT\r\n")
            self.sock.recv(512)
        except OSError:
            pass
        finally:
            self.close()


def _joined(text: bytes) -> str:
    return text.decode("ascii", "replace").replace("\n", " ")


@cache
def _own_name() -> str:
    return socket.getfqdn()


@cache
def _default_context() -> ssl.SSLContext:
    return ssl.create_default_context()
