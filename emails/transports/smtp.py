"""The SMTP transport: one persistent connection, and an outcome for every letter.

One letter, step by step:
1. MAIL, RCPT and DATA go out together where the server offers PIPELINING (RFC 2920), else one by one; those of a
   letter that is certain to be the next go out behind the one before it (section 3.1), which saves a round trip.
2. Their replies are read in order. The letter is sent only after a 354 with an accepted recipient. A 354 without
   an accepted recipient gets a lone dot, whose reply is ignored.
3. Until the final dot has been sent completely, the letter has not been handed over: retrying is safe.
4. From then on only the server's reply decides. Without a reply the outcome is unknown.
"""

import contextlib
import re
import smtplib
import socket
import ssl
from dataclasses import replace

from emails.messages import headers
from emails.replies import Following, Kind, Meanwhile, Outcome, Outgoing, judge, nobody, nothing, readable
from emails.replies.whose import Stage
from emails.transports import envelope
from emails.transports.smtp_connection import OutOfStep, Reply, Server, SmtpConnection, TimeOuts


class SmtpTransport:
    """Sends over one connection, which is opened on demand and kept for the next letter."""

    certain = False

    def __init__(self, server: Server, time_outs: TimeOuts, context: ssl.SSLContext | None = None) -> None:
        self.server, self._time_outs, self._context = server, time_outs, context
        self._conversation: SmtpConnection | None = None
        self._hung_up = False
        self._deafness = 0

    def connect(self) -> Outcome | None:
        """Opens a connection unless one is kept. Returns None on success, else the server's refusal. Where a command
        prints access tokens it may take ten seconds longer, so no transaction may be open."""
        return self._connected(again=True)

    def _connected(self, *, again: bool) -> Outcome | None:
        if self._conversation:
            return None
        connection = SmtpConnection(self.server, self._time_outs, self._context)
        try:
            refusal = connection.open()
        except (OSError, ValueError) as error:  # smtplib's errors are OSErrors, but for a challenge that is no base64
            connection.close()
            if again and _is_token_refused(connection, error):
                return self._connected(again=False)
            return self._unopened(connection.stage, error)
        if refusal:
            connection.goodbye()
            return _refused_session(connection.stage, *refusal)
        self._conversation = connection
        return None

    def send(self, letter: Outgoing, following: Following = nobody, meanwhile: Meanwhile = nothing) -> Outcome:
        """Hands over one letter; failures of the server or the network are returned as outcomes."""
        announced = self._is_announced(letter)
        if not announced and (unfit := _unfit(letter)):
            return unfit
        kept = self._conversation
        if kept is None and (refusal := self.connect()):
            return refusal
        self._hung_up = False
        outcome = self._attempt(letter, following, meanwhile)
        ignored = announced and kept is not None and self._ignored(kept, outcome)
        if ignored or (kept and self._hung_up):
            # The server has received nothing of this letter: it ignored the commands pipelined ahead, or it had already
            # closed the idle connection, or takes no further letter over this one. So a second attempt cannot send the
            # letter twice.
            outcome = self.connect() or self._attempt(letter, nobody, meanwhile)
        if outcome.kind == "relay" and outcome.stage != "dot":
            self._leave_announced()
        return outcome

    def close(self) -> None:
        """Ends the session (QUIT), if there is a connection."""
        self._leave_announced()
        if self._conversation:
            self._conversation.goodbye()
            self._conversation = None

    def cut(self) -> None:
        """Breaks the connection under a send() that waits; it may be called from another thread."""
        kept = self._conversation
        with contextlib.suppress(OSError, AttributeError):
            if kept:
                socket.socket.shutdown(kept.sock, socket.SHUT_RDWR)  # not TLS's own, which is for the thread that reads

    def _is_announced(self, letter: Outgoing) -> bool:
        """Whether the letter's commands were already sent: the server now expects this letter and no other. If it
        expects another, the connection is dropped."""
        kept = self._conversation
        if kept and kept.announced is letter and not kept.torn:
            return True
        self._leave_announced()
        return False

    def _leave_announced(self) -> None:
        if self._conversation and (self._conversation.announced or self._conversation.torn):
            self._drop(self._conversation)  # the server would read a QUIT as the letter's first line

    def _ignored(self, connection: SmtpConnection, outcome: Outcome) -> bool:
        """Whether the server seems to have ignored the commands pipelined ahead. Then the letter is sent from its start
        again; after three such letters this transport pipelines no commands ahead any more."""
        unread = outcome.code is None or outcome.stage == "mail" or outcome.code in _OUT_OF_SEQUENCE
        if outcome.kind != "relay" or outcome.stage == "dot" or not unread:
            connection.heeds = True
            return False
        if outcome.code is not None and outcome.code < 500:
            return False  # a 4xx is about the server's own state: it did read the commands
        if self._hung_up and connection.heeds:
            return False  # it may limit the number of letters per connection
        self._deafness += 1
        return True

    def _attempt(self, letter: Outgoing, following: Following, meanwhile: Meanwhile) -> Outcome:
        connection = self._conversation
        assert connection is not None
        if 0 < connection.largest < len(letter.message):
            reply = f"the server takes {connection.largest} bytes at most, and the letter has {len(letter.message)}"
            return Outcome("relay", None, reply, "mail", "message")
        try:
            outcome = _hand_over(connection, letter, following if self._deafness < _DEAF else nobody, meanwhile)
            if _is_session_full(outcome):
                self._drop(connection)
                self._hung_up = True
            return outcome
        except _Ended as ended:
            self._drop(connection)
            at_mail = ended.outcome.stage == "mail" and ended.outcome.code == 421
            self._hung_up = at_mail or _is_session_full(ended.outcome)
            return ended.outcome
        except OSError as error:
            self._drop(connection)
            self._hung_up = connection.stage == "mail" and not isinstance(error, TimeoutError | OutOfStep)
            kind: Kind = "unknown" if connection.stage == "dot" else "relay"
            return Outcome(kind, None, _lost(error), connection.stage, "relay")
        except BaseException:
            # The next letter must not read this one's replies.
            self._drop(connection)
            raise

    def _drop(self, connection: SmtpConnection) -> None:
        connection.close()
        self._conversation = None

    def _unopened(self, stage: Stage, error: Exception) -> Outcome:
        where = f"{self.server.host}:{self.server.port}"
        if isinstance(error, smtplib.SMTPResponseException):
            return _refused_session(stage, error.smtp_code, _text(error.smtp_error))
        return Outcome("relay", None, readable(f"{where}: {_lost(error)}"), stage, "relay")


def _is_token_refused(connection: SmtpConnection, error: Exception) -> bool:
    """Whether the server refused an access token of an earlier login, which may have run out."""
    kept = connection.token is not None and connection.token.is_kept
    return kept and isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500


def _refused_session(stage: Stage, code: int, text: str) -> Outcome:
    """The outcome of a reply before any letter, at the greeting or at login."""
    return replace(judge(stage, code, text), kind="relay")


_DEAF = 3
_SESSION_IS_FULL = re.compile(r"\btoo many (messages|mails|emails|transactions)\b|\bper (session|connection)\b", re.I)
"""How a server that does not hang up by itself says that a session has had its number of letters."""
_THIS_SESSION = re.compile(r"\b(?:in|per|for|on|over) (?:this |one |the |an? )?(?:session|connection)\b", re.I)
_LOG_IN_FIRST = 530
"""How a server may say that a login has ended, with its access token (RFC 4954, section 6)."""
_OUT_OF_SEQUENCE = (421, 500, 501, 502, 503, 504)
_STAGES: tuple[Stage, Stage, Stage] = ("mail", "rcpt", "data")


class _Ended(Exception):
    """The outcome is known, and the connection must not be used any more."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reply)
        self.outcome = outcome


def _is_session_full(outcome: Outcome) -> bool:
    """Whether the server takes no further letter over this connection. Postfix says at RCPT what it has against MAIL;
    there only words about the session count, as others may be about the recipient."""
    if outcome.stage == "mail":
        is_full = outcome.code == _LOG_IN_FIRST or bool(_SESSION_IS_FULL.search(outcome.reply))
        return outcome.kind == "relay" and is_full
    is_soft = outcome.stage == "rcpt" and outcome.code is not None and outcome.code < 500
    return is_soft and bool(_SESSION_IS_FULL.search(outcome.reply) and _THIS_SESSION.search(outcome.reply))


def _unfit(letter: Outgoing) -> Outcome | None:
    """The refusal of a letter whose addresses SMTP commands cannot carry."""
    try:
        envelope.addresses(letter)
    except headers.Unwritable as error:
        return Outcome("refused", None, readable(str(error)), "rcpt", "message")
    return None


def _hand_over(connection: SmtpConnection, letter: Outgoing, following: Following, meanwhile: Meanwhile) -> Outcome:
    opened, connection.announced = connection.announced is not None, None
    connection.stage = "mail"
    if connection.pipelining and not opened:
        connection.write(b"".join(envelope.commands(letter, with_size=connection.asks_size)))
    after, behind = _announcement(connection, following)
    refusal, go_ahead = _replies(connection, letter)
    if refusal:
        return _taken_back(connection, refusal, go_ahead=go_ahead)
    if opened:
        connection.heeds = True
        connection.stage = "mail"  # no byte of the letter has been sent, so a failure now may start it again
    if not connection.still_waits():
        # The server closed the connection or sent something after its 354. After commands pipelined ahead, it may just
        # have timed out while it waited for this letter.
        raise smtplib.SMTPServerDisconnected("gone") if opened else OutOfStep("it went on after its go-ahead")
    connection.hand_over(letter.message, behind)
    connection.announced = after
    meanwhile()
    if accepted := connection.acceptance():
        return Outcome("sent", accepted.code, f"{accepted.code} {accepted.text}", "dot")
    reply = connection.reply()
    outcome = judge("dot", *reply)
    if reply.code == 421 or outcome.kind == "unknown":
        raise _Ended(outcome)
    return outcome


def _announcement(connection: SmtpConnection, following: Following) -> tuple[Outgoing | None, bytes]:
    """The next letter whose commands can be pipelined behind this one, and those commands."""
    letter = following() if connection.pipelining else None
    if letter is None or 0 < connection.largest < len(letter.message):
        return None, b""
    try:
        return letter, b"".join(envelope.commands(letter, with_size=connection.asks_size))
    except headers.Unwritable:
        return None, b""


def _replies(connection: SmtpConnection, letter: Outgoing) -> tuple[Outcome | None, bool]:
    """The first refusal among MAIL, RCPT and DATA, and whether the server gave its 354 go-ahead."""
    together = connection.pipelining
    if together and connection.gone_ahead():
        connection.stage = "data"
        return None, True
    commands = envelope.commands(letter, with_size=connection.asks_size)
    refusal: Outcome | None = None
    reply = Reply(0, "")
    for stage, command in zip(_STAGES, commands, strict=True):
        connection.stage = stage
        if not together:
            connection.write(command)
        reply = _next(connection, refusal)
        refusal = refusal or _refusal(stage, reply)
        if reply.code == 421:
            raise _Ended(refusal or judge(stage, *reply))
        if refusal and not together:
            break
    if refusal and reply.code != 354 and not 400 <= reply.code < 600:
        raise _Ended(refusal)
    return refusal, reply.code == 354


def _next(connection: SmtpConnection, refusal: Outcome | None) -> Reply:
    """The next reply. If none comes, raises _Ended with the earlier refusal, or the OSError if there was none."""
    try:
        return connection.reply()
    except OSError:
        if refusal:
            raise _Ended(refusal) from None
        raise


def _refusal(stage: Stage, reply: Reply) -> Outcome | None:
    accepted = reply.code == 354 if stage == "data" else 200 <= reply.code < 300
    if accepted:
        return None
    outcome = judge(stage, *reply)
    if not 400 <= reply.code < 600:
        raise _Ended(outcome)
    return outcome


def _taken_back(connection: SmtpConnection, refusal: Outcome, *, go_ahead: bool) -> Outcome:
    """Ends a refused letter's SMTP transaction, so that the server is ready for the next letter."""
    try:
        connection.write(b".\r\n" if go_ahead else b"RSET\r\n")
        reply = connection.reply()
    except OSError:
        raise _Ended(refusal) from None
    if reply.code == 421 or not (go_ahead or 200 <= reply.code < 300):
        raise _Ended(refusal)
    return refusal


def _text(raw: bytes | str) -> str:
    return raw.decode("ascii", "replace") if isinstance(raw, bytes) else raw


def _lost(error: Exception) -> str:
    """The failure in plain words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate does not hold: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no secure connection: {error.reason}"
    if isinstance(error, UnicodeError):
        return "the name or the password holds characters other than ASCII"
    if isinstance(error, OSError) and error.strerror and not isinstance(error, smtplib.SMTPException):
        return error.strerror.lower()
    return str(error)
