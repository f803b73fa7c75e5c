"""One SMTP connection: smtplib's greeting, TLS and login, with a bounded reader of our own for replies."""

import re
import smtplib
import socket
import ssl
import struct
from base64 import b64encode
from dataclasses import dataclass, field
from functools import cache
from time import monotonic
from typing import Literal, NamedTuple

from db.urls import is_full_name
from emails.replies import Outgoing
from emails.replies.whose import Stage
from emails.transports import access_tokens
from emails.transports.access_tokens import AccessTokens, Token

_REPLY = re.compile(rb"([1-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
# The replies of a successful exchange that arrive in one packet; all others are read line by line.
_GO_AHEAD = re.compile(rb"(?:2[0-9][0-9] [^\r\n]*\r\n){2}354 [^\r\n]*\r\n")
_ACCEPTED = re.compile(rb"(2[0-9][0-9]) ([ -~]{0,450})\r\n")
_LONGEST_LINE = 4096
_RECORD = 16384
"""Bytes of one TLS record: a longer SSLSocket.send could fail after a part was sent, without saying how much."""
_MOST_LINES = 200


@dataclass(frozen=True)
class TimeOuts:
    """The server's time limits in seconds: to connect, to answer a command, to answer the final dot."""

    connect: float = 30
    command: float = 60
    dot: float = 300


@dataclass(frozen=True)
class Server:
    """The mail server's address, and how to connect and log in."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"] = "none"
    login: tuple[str, str] | None = field(default=None, repr=False)
    ehlo: str | None = None
    """What to say in EHLO; None for the host's own name, or `domain` if that has no dot."""
    domain: str | None = None
    tokens: AccessTokens | None = field(default=None, repr=False)
    """Where the access token comes from that stands in for the password (XOAUTH2)."""


class Reply(NamedTuple):
    """An SMTP reply; the text of several lines is joined by spaces."""

    code: int
    text: str


class OutOfStep(smtplib.SMTPException):
    """The server broke the protocol, so no further reply on this connection can be trusted."""


class SmtpConnection(smtplib.SMTP):
    """One connection. `stage` says how far the current letter has come, which decides the outcome of a failure.

    `announced` is the next letter, when its commands have already been pipelined behind the current one. `heeds` says
    whether the server has ever answered such commands. `torn` says that they were sent only in part, so the connection
    must be closed.
    """

    # smtplib sets these; its type stubs leave them out.
    sock: socket.socket
    esmtp_features: dict[str, str]

    def __init__(self, server: Server, time_outs: TimeOuts, context: ssl.SSLContext | None) -> None:
        super().__init__(local_hostname=name_of(server), timeout=time_outs.connect)
        self.stage: Stage = "connect"
        self._server, self._time_outs = server, time_outs
        self._context = context
        self._host = server.host  # the name that STARTTLS checks the certificate against
        self._unread = b""
        self._step = min(time_outs.command, time_outs.dot)
        self.pipelining = self.asks_size = False
        self.largest = 0
        self.announced: Outgoing | None = None
        self.heeds = self.torn = False
        self._left = 0
        self.token: Token | None = None

    def open(self) -> Reply | None:
        """Connects, says EHLO, starts TLS and logs in. Returns the reply that prevents it, if any."""
        if self._server.tokens:
            self.stage = "login"
            self.token = self._server.tokens.get()  # before a server waits for us
        code, text = self.connect(self._server.host, self._server.port)
        if code != 220:
            return Reply(code, _joined(text))
        if refusal := self._greeted():
            return refusal
        if self._server.security == "starttls":
            self.stage = "tls"
            self.starttls(context=self._context or _default_context())
            if self._unread:
                raise OutOfStep("the server went on in clear text after STARTTLS")
            if refusal := self._greeted():  # what it offered in clear text counts no more (RFC 3207, section 4.2)
                return refusal
        if self._server.login:
            self.stage = "login"
            self._log_in(*self._server.login)
        self._leave_time_outs_to_the_kernel()
        self.pipelining = "pipelining" in self.esmtp_features
        self.asks_size = "size" in self.esmtp_features
        size = self.esmtp_features.get("size", "").strip()
        # The largest message that the server accepts (SIZE, RFC 1870); 0 when it does not say.
        self.largest = int(size) if size.isascii() and size.isdigit() else 0
        return None

    def _greeted(self) -> Reply | None:
        """EHLO, or HELO to a server that takes no EHLO. Returns the refusal, if it is one."""
        self.stage = "hello"
        refusal = _refused(*self.ehlo())
        if refusal is None or refusal.code < 500:  # 4xx: it takes nobody now, and may close the connection
            return refusal
        try:
            return _refused(*self.helo())
        except OSError:
            return refusal

    def _log_in(self, user: str, password: str) -> None:
        if not (self._server.tokens and self.token):
            self.login(user, password)
            return
        if "XOAUTH2" not in self.esmtp_features.get("auth", "").upper().split():
            raise smtplib.SMTPNotSupportedError("the server does not offer XOAUTH2")
        start = f"user={user}\1auth=Bearer {self.token.value}\1\1"
        try:
            # To a challenge, which tells the error, the client answers nothing; then the server refuses.
            self.auth("XOAUTH2", lambda challenge=None: start if challenge is None else "")
        except smtplib.SMTPAuthenticationError as error:
            if error.smtp_code >= 500:
                self._server.tokens.was_refused(self.token)
            said = error.smtp_error.decode("ascii", "replace") if isinstance(error.smtp_error, bytes) else ""
            told = access_tokens.without(said, self.token, b64encode(start.encode()).decode())
            raise smtplib.SMTPAuthenticationError(error.smtp_code, told) from None

    def write(self, raw: bytes) -> None:
        """Sends all bytes within a command's time limit. After an OSError, `_left` says how many bytes were sent."""
        self._left = 0
        self._left = self._some_sent(raw)
        if self._left < len(raw):
            deadline = monotonic() + self._time_outs.command
            while self._left < len(raw):
                if monotonic() > deadline:
                    raise TimeoutError("the server takes the letter too slowly")
                self._left += self._some_sent(memoryview(raw)[self._left :])

    def hand_over(self, message: bytes, commands: bytes) -> None:
        """Sends a message with its final dot and, behind it, commands. `stage` is unchanged until a byte is sent, then
        `data` until the dot is sent. After that it is `dot`, and a failure no longer raises: only the server's reply
        can tell the outcome."""
        try:
            self.write(b"".join((message, b".\r\n", commands)))
        except OSError:
            if self._left:
                self.stage = "data"
            if self._left < len(message) + len(b".\r\n"):
                raise
            self.torn = True
        self.stage = "dot"

    def still_waits(self) -> bool:
        """Whether the connection is still open and silent since the 354 go-ahead; does not block."""
        if not self._unread:
            try:
                self._at_once()
            except (BlockingIOError, ssl.SSLWantReadError):
                return True
            except OSError:
                pass
        return False

    def _at_once(self) -> None:
        """Reads without blocking: data, EOF or an error; BlockingIOError (or its TLS twin) when there is none."""
        if not isinstance(self.sock, ssl.SSLSocket):
            self.sock.recv(1, socket.MSG_DONTWAIT)
            return
        self.sock.settimeout(0)
        try:
            self.sock.recv(1)
        finally:
            self.sock.settimeout(self._step)

    def _some_sent(self, raw: bytes | memoryview) -> int:
        try:
            return self.sock.send(raw[:_RECORD] if isinstance(self.sock, ssl.SSLSocket) else raw)
        except BlockingIOError:  # how the kernel reports that the socket's time-out has passed
            raise TimeoutError("the server takes nothing") from None

    def reply(self) -> Reply:
        """The next reply. Raises OSError (as smtplib's errors are) when none comes in time or it is malformed."""
        code, text = self.getreply()
        return Reply(code, _joined(text))

    def gone_ahead(self) -> bool:
        """Whether MAIL, RCPT and DATA were all accepted in one packet; if not, nothing is consumed."""
        if not self._unread:
            self._receive(self._deadline())
        if not _GO_AHEAD.fullmatch(self._unread):
            return False
        self._unread = b""
        return True

    def acceptance(self) -> Reply | None:
        """The reply that accepted the letter, if it came in one packet; otherwise nothing is consumed."""
        if not self._unread:
            self._receive(self._deadline())
        found = _ACCEPTED.match(self._unread)
        if not found:
            return None
        self._unread = self._unread[found.end() :]
        return Reply(int(found[1]), found[2].decode("ascii"))

    def getreply(self) -> tuple[int, bytes]:
        # smtplib's own steps read through this as well, so that the same limits and time-outs hold for them.
        deadline = self._deadline()
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
            self._receive(deadline)

    def _deadline(self) -> float:
        return monotonic() + (self._time_outs.dot if self.stage == "dot" else self._time_outs.command)

    def _receive(self, deadline: float) -> None:
        """Waits for more from the server, in steps of the socket's own time-out, until the deadline."""
        while True:
            try:
                received = self.sock.recv(65536)
                break
            except (TimeoutError, BlockingIOError):
                if monotonic() >= deadline:
                    raise TimeoutError("the server says nothing") from None
        if not received:
            raise smtplib.SMTPServerDisconnected("the server closed the connection")
        self._unread += received
        if monotonic() > deadline + self._step:
            raise TimeoutError("the server speaks too slowly")

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # Without TCP_NODELAY the kernel waits for an ACK between the parts of each TLS record (Nagle's algorithm).
        sock = socket.create_connection((host, port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._server.security == "tls":
            self.stage = "tls"
            sock = (self._context or _default_context()).wrap_socket(sock, server_hostname=host)
        sock.settimeout(self._step)
        self.stage = "greeting"
        return sock

    def _leave_time_outs_to_the_kernel(self) -> None:
        # A Python time-out polls before every call, which costs 10 µs a letter; under TLS it is still needed.
        if isinstance(self.sock, ssl.SSLSocket):
            return
        limit = struct.pack("ll", int(self._step), int(self._step % 1 * 1_000_000))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self.sock.settimeout(None)

    def goodbye(self) -> None:
        """QUIT, with a short wait: the outcome of every letter is already known."""
        try:
            self.sock.settimeout(min(self._time_outs.command, 5))
            self.sock.sendall(b"QUIT\r\n")
            self.sock.recv(512)
        except OSError:
            pass
        finally:
            self.close()


def _refused(code: int, text: bytes) -> Reply | None:
    return None if 200 <= code < 300 else Reply(code, _joined(text))


def _joined(text: bytes) -> str:
    return text.decode("ascii", "replace").replace("\n", " ")


def name_of(server: Server) -> str:
    """What we say in EHLO. Many servers refuse a name without a dot, or with an underscore, as containers have it."""
    if server.ehlo:
        return server.ehlo
    own = _own_name()
    return own if server.domain is None or is_full_name(own) else server.domain


@cache
def _own_name() -> str:
    return socket.getfqdn()


@cache
def _default_context() -> ssl.SSLContext:
    return ssl.create_default_context()
