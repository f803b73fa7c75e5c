"""Outgoing messages, their outcomes (each named by what to do next), and how SMTP replies are classified."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from emails.replies.table import Whose
from emails.replies.whose import Stage, status_in, whose_is

Kind = Literal["sent", "refused", "deferred", "relay", "unknown"]


class Outgoing(NamedTuple):
    """One message, ready to send.

    sender and to are the envelope addresses; message and its fingerprint come from EncodedLetter.written; name
    identifies the delivery and is the same on every attempt.
    """

    sender: str
    to: str
    message: bytes
    name: str
    fingerprint: bytes = b""


Following = Callable[[], Outgoing | None]
"""Returns the letter that goes out next over the same transport, or None while that is not certain. Must not raise."""


def nobody() -> None:
    """The `Following` for when no next letter is known: it returns None."""


Meanwhile = Callable[[], None]
"""Called while the sender waits for the server's final reply. Must not raise."""


def nothing() -> None:
    """A `Meanwhile` that does nothing."""


_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one attempt to send a letter.

    sent: the server accepted it. refused: never try again. deferred: try this recipient later. relay: the server takes
    no mail from us now, and no letter loses an attempt. unknown: the whole letter went out and no reply came, so only a
    person or a setting can decide. code is the SMTP reply code or None; reply is the server's text, or ours instead.
    whose is who is to blame (None for what was sent, and where no reply came): only `address` is a hard refusal.
    """

    kind: Kind
    code: int | None
    reply: str
    stage: Stage
    whose: Whose | None = None

    @property
    def status(self) -> str | None:
        """The enhanced status code in the reply (RFC 3463), such as 5.1.1."""
        return status_in(self.reply)


def judge(stage: Stage, code: int, text: str) -> Outcome:
    """The outcome of a reply that ends the attempt at this stage. A 2xx means `sent` only in reply to the final dot; at
    any other stage it is out of place."""
    reply = readable(f"{code} {text}")
    if stage == "dot" and 200 <= code < 300:
        return Outcome("sent", code, reply, stage)
    if not 400 <= code < 600:
        # An unexpected reply: before the dot nothing has been sent; after it the outcome is unknown.
        return Outcome("unknown" if stage == "dot" else "relay", code, reply, stage, "relay")
    whose = whose_is(stage, code, reply)
    return Outcome(_kind(stage, code, whose), code, reply, stage, whose)


def readable(text: str) -> str:
    """The reply in at most 500 printable ASCII characters, safe for a database row and a terminal."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())[:500]


def _kind(stage: Stage, code: int, whose: Whose) -> Kind:
    if whose in ("sender", "relay") or stage not in ("rcpt", "data", "dot"):
        return "relay"  # at MAIL the server knows only the sender and the size: it would refuse the next letter as well
    return "deferred" if code < 500 or whose == "domain" else "refused"
