"""What goes out by a door, what became of it, named by what to do next, and how a reply is judged."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["sent", "refused", "deferred", "relay", "unknown"]
Stage = Literal["connect", "greeting", "hello", "tls", "login", "mail", "rcpt", "data", "dot", "file"]


class Outgoing(NamedTuple):
    """One letter, ready to go out.

    sender and to are the envelope's; message is as Frame.message wrote it; name is the delivery's own, the same at
    every attempt.
    """

    sender: str
    to: str
    message: bytes
    name: str


Following = Callable[[], Outgoing | None]
"""Asked for the letter that goes out next by the same door, if that is certain by now; it must not raise."""


def nobody() -> None:
    """No letter is certain to follow."""


Meanwhile = Callable[[], None]
"""What a sender does while the mail server makes up its mind; it must not raise."""


def nothing() -> None:
    """Nothing to do meanwhile."""


_STATUS = re.compile(r"\d{3}[ -]([245])\.(\d{1,3})\.(\d{1,3})(?=\s|$)")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")

# Replies that speak of the conversation or of our account, not of the person or the letter (RFC 5321, section
# 4.2.3, and RFC 4954, section 6): unknown command, wrong order, log in first, no such parameter.
_ABOUT_US = {421, 454, 500, 502, 503, 530, 534, 535, 538, 555}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a letter.

    sent: the server has it. refused: never again. deferred: this person later. relay: nobody now, and nobody's
    attempt is used up. unknown: all of it went out and no answer came, so only a person or a setting can decide.
    code is the SMTP reply's, or None when there was none; reply is the server's sentence, or ours for it.
    """

    kind: Kind
    code: int | None
    reply: str
    stage: Stage

    @property
    def status(self) -> str | None:
        """The enhanced status code in the reply (RFC 3463), such as 5.1.1."""
        found = _STATUS.match(self.reply)
        return ".".join(found.groups()) if found else None


def judge(stage: Stage, code: int, text: str) -> Outcome:
    """The outcome that a final reply gives at this stage; a 2xx is one only after the dot."""
    reply = readable(f"{code} {text}")
    return Outcome(_kind(stage, code, _status_class(reply)), code, reply, stage)


def readable(text: str) -> str:
    """At most 500 printable ASCII characters, for a row and a terminal."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())[:500]


def _status_class(reply: str) -> str | None:
    found = _STATUS.match(reply)
    return found[2] if found else None


def _kind(stage: Stage, code: int, status_class: str | None) -> Kind:
    if stage == "dot" and 200 <= code < 300:
        return "sent"
    if not 400 <= code < 600:
        # Out of step: before the dot nothing has happened, after it nobody can tell.
        return "unknown" if stage == "dot" else "relay"
    if code in _ABOUT_US or (code == 452 and status_class not in ("1", "2")):
        return "relay"
    if stage not in ("rcpt", "data", "dot") and (code >= 500 or status_class in ("3", "7")):
        # At MAIL the server knows only us and the letter's size: it would refuse the next letter as well.
        return "relay"
    return "deferred" if code < 500 else "refused"
