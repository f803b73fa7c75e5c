"""What a mail that came back tells: one finding for each recipient that it speaks of."""

from dataclasses import dataclass
from typing import Literal

from emails.replies.table import Whose

Kind = Literal[
    "hard",
    "soft",
    "content",
    "complaint",
    "delayed",
    "delivered",
    "auto",
    "notice",
    "challenge",
    "unsubscribe",
    "reply",
    "other",
]
"""hard: the address or its domain does not exist. soft: it may take mail another day. content: our fault, for what we
sent or how. complaint: its owner calls it spam. The rest harms nobody: delayed (the mail server goes on trying),
delivered, auto (vacation notes, read receipts), notice (a program wrote it, and somebody may have to read it: helpdesks
send what people answer like that), challenge (asks the sender to prove to be human), unsubscribe (a mail
to the mailto address), reply (a person wrote), other."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one mail says of one recipient. It is somebody's claim: trust it as far as `token` or `message_id` prove.

    recipient: the address as the mail names it, decoded, its domain in lower case and as A-labels; "" if it names none.
    original: the address that the letter was first meant for, if the report tells another one than `recipient`.
    code, status: SMTP reply code and enhanced status code (RFC 3463). diagnostic: the reason in one line of at most 500
    characters; it may quote addresses, so mask it before it is kept or shown. whose: who is to blame, for bounces.
    feedback: the type of a complaint (RFC 5965), also for reports that are no complaint, such as not-spam.
    token: 40 characters that may be our VERP token, unchecked. message_id and unsubscribe_token are those of the
    returned letter, or of the letter replied to, or in the subject of a mail that asks to be unsubscribed.
    """

    kind: Kind
    recipient: str = ""
    original: str | None = None
    code: int | None = None
    status: str | None = None
    diagnostic: str = ""
    whose: Whose | None = None
    feedback: str | None = None
    token: str | None = None
    message_id: str | None = None
    unsubscribe_token: str | None = None
