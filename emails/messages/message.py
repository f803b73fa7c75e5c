"""Builds one recipient's message: a letter is encoded once, and each message is joined from its pieces.

The mail server, the DKIM signature and the Maildir all get the same bytes: 7-bit, CRLF line ends, body lines of at
most 76 columns, and no line that begins with a dot.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple

from emails.letter import Letter
from emails.messages import headers
from emails.messages.dkim import Signer
from emails.messages.encoded_bodies import EncodedBodies
from emails.messages.headers import Unwritable
from emails.messages.quoted_printable import EncodedOwnVote, Piece
from emails.messages.sender_identity import SenderIdentity

_MESSAGE_ID = re.compile(r"<[A-Za-z0-9.+_-]{1,120}@[A-Za-z0-9.-]{1,253}>", re.ASCII)
_MARK_VALUE = re.compile(r"(?!From )[A-Za-z0-9_-](?:[A-Za-z0-9_ ,:-]{0,68}[A-Za-z0-9_-])?", re.ASCII)


class Recipient(NamedTuple):
    """The values that differ between the messages of one letter.

    sender is the envelope sender (see SenderIdentity.verp), message_id includes its angle brackets, and marks maps each
    mark of the letter to its value: at most 70 letters, digits, `-` and `_`; between the first and the last character
    also spaces, commas and colons. own_votes is as `deliveries.own_votes` keeps them.
    """

    address: str
    message_id: str
    sender: str
    marks: Mapping[str, str]
    own_votes: str = ""


@lru_cache(maxsize=16)
def date_header(now: datetime) -> bytes:
    """The value of a Date header. Raises ValueError unless `now` is zone-aware."""
    # All letters of a claim have its moment as their Date, and formatting it takes 25 µs: cache it.
    if now.tzinfo is None:
        raise ValueError("a Date header needs a time with a zone")
    return format_datetime(now.replace(microsecond=0)).encode("ascii")


class EncodedLetter:
    """A letter encoded once, for any number of recipients; with `bodies` it was encoded before."""

    def __init__(
        self,
        letter: Letter,
        identity: SenderIdentity,
        signer: Signer | None = None,
        bodies: EncodedBodies | None = None,
    ) -> None:
        self.letter = letter
        head, tail = _constant_fields(letter, identity)
        bodies = bodies or EncodedBodies.of(letter)
        boundary, pieces = bodies
        tail.append(b'Content-Type: multipart/alternative;\r\n boundary="%b"\r\n' % boundary)
        self._start, self._rest = b"".join(head), b"".join(tail) + b"\r\n"
        self._mailing = letter.mailing
        # A digest is composed before it is sent, maybe with another BASE_URL: all its links lead to the same site.
        self._list_start = f"<{letter.base_url or identity.base_url}/unsubscribe/".encode("ascii")
        mailto = identity.unsubscribe_mailto
        self._list_rest = f">,\r\n <{mailto}".encode("ascii") if mailto else b""
        self._body: list[bytes] = [_at_first(piece) for piece in pieces]
        self._places = [(at, name) for at, name in enumerate(pieces) if isinstance(name, str)]
        self._own_votes = _by_tool(pieces)
        self.marks = sorted({name for _, name in self._places})
        constant = self._start, self._rest, self._list_start, self._list_rest, bodies.as_json()
        self._says = hashlib.blake2b(hashlib.sha256(b"\n".join(constant)).digest(), digest_size=8)
        self._signer = signer.prepare([*head, *tail]) if signer else None

    def message(self, recipient: Recipient, date: bytes) -> bytes:
        """The complete message, header and bodies. Raises Unwritable for a value that it cannot hold."""
        return self.written(recipient, date)[0]

    def written(self, recipient: Recipient, date: bytes) -> tuple[bytes, bytes]:
        """The complete message, and its fingerprint of 16 bytes. Raises Unwritable for a value that it cannot hold.

        The first half of the fingerprint is a hash of what the message says: the encoded letter and the recipient's own
        values. The second is one of what depends on the keys: Message-ID, tokens and signature.
        """
        to = headers.address(recipient.address).encode("ascii")
        if not _MESSAGE_ID.fullmatch(recipient.message_id):
            raise Unwritable(f"this is no Message-ID: {recipient.message_id[:80]!r}")
        message_id = recipient.message_id.encode("ascii")
        values = {name: _value(name, recipient.marks) for name in self.marks}
        fields = {b"to": to, b"date": date, b"message-id": message_id}
        if self._mailing:
            token = values["UNSUBSCRIBE"]
            by_mail = (self._list_rest, token) if self._list_rest else ()
            fields[b"list-unsubscribe"] = b"".join((self._list_start, token, *by_mail, b">"))
        signature, message = self._joined(fields, self._bodies(values, recipient.own_votes))
        says, by_keys = self._says.copy(), _BY_KEYS.copy()
        says.update(b"\n".join((to, date, recipient.own_votes.encode(), values.pop("SINCE", b""))))
        by_keys.update(b"\n".join((message_id, *values.values(), signature)))
        return message, says.digest() + by_keys.digest()

    def _bodies(self, values: Mapping[str, bytes], own_votes: str) -> list[bytes]:
        body = self._body.copy()
        for at, name in self._places:
            body[at] = values[name]
        for tool, vote in enumerate(own_votes):
            if vote != "-":
                for at, said in self._own_votes.get(tool, ()):
                    body[at] = said.get(vote, body[at])
        return body

    def _joined(self, fields: dict[bytes, bytes], body: list[bytes]) -> tuple[bytes, bytes]:
        """The signature, if there is a signer, and the message with it."""
        varying = [
            b"To: ", fields[b"to"], b"\r\nDate: ", fields[b"date"],
            b"\r\nMessage-ID: ", fields[b"message-id"], b"\r\n",
        ]  # fmt: skip
        if self._mailing:
            varying += (b"List-Unsubscribe: ", fields[b"list-unsubscribe"], b"\r\n")
        if self._signer is None:
            return b"", b"".join((self._start, *varying, self._rest, *body))
        whole = b"".join(body)
        signature = self._signer.signature(fields, whole)
        return signature, b"".join((signature, self._start, *varying, self._rest, whole))


_BY_KEYS = hashlib.blake2b(digest_size=8)


def _constant_fields(letter: Letter, identity: SenderIdentity) -> tuple[list[bytes], list[bytes]]:
    """The fields that all recipients share: those before To, and those after it."""
    head = [headers.mailbox("From", identity.name, identity.address), headers.subject(letter.subject)]
    if identity.reply_to:
        head.append(headers.mailbox("Reply-To", *identity.reply_to))
    tail = [headers.structured("Auto-Submitted", "auto-generated")]
    if letter.mailing:
        tail += [
            headers.structured("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            headers.structured("List-Id", identity.list_id),
            headers.structured("List-Archive", f"<{letter.base_url or identity.base_url}/archive>"),
            headers.structured("List-Help", f"<{identity.help_mailto}>"),
            headers.structured("Feedback-ID", identity.feedback_id(letter.kind, letter.about)),
        ]
    return head, [*tail, headers.structured("MIME-Version", "1.0")]


def _at_first(piece: Piece) -> bytes:
    """What stands here for everybody, or for a reader without votes."""
    if isinstance(piece, EncodedOwnVote):
        return piece.none
    return piece if isinstance(piece, bytes) else b""


def _by_tool(pieces: Sequence[Piece]) -> dict[int, list[tuple[int, dict[str, bytes]]]]:
    """Where the places for an own vote on each tool are, and what stands there by the vote."""
    found: dict[int, list[tuple[int, dict[str, bytes]]]] = {}
    for at, piece in enumerate(pieces):
        if isinstance(piece, EncodedOwnVote):
            found.setdefault(piece.tool, []).append((at, {"s": piece.ship, "k": piece.skip}))
    return found


def _value(name: str, marks: Mapping[str, str]) -> bytes:
    try:
        value = marks[name]
    except KeyError:
        raise Unwritable(f"the letter needs a value for {name}") from None
    if not _MARK_VALUE.fullmatch(value):
        raise Unwritable(f"{name} may not be {value[:80]!r}")
    return value.encode("ascii")
