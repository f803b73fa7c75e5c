"""Both bodies of a letter, encoded for sending: kept with a digest, so that it goes on and is shown word for word."""

import hashlib
import json
import zlib
from typing import Any, NamedTuple

from emails.letter import Letter
from emails.messages import quoted_printable
from emails.messages.quoted_printable import EncodedOwnVote, Piece

_FORMAT = 1


class EncodedBodies(NamedTuple):
    """The MIME parts of a message up to its last boundary, split at the marks and at the places for own votes."""

    boundary: bytes
    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, letter: Letter) -> "EncodedBodies":
        """Encodes a letter."""
        # `=_` cannot occur in quoted-printable, so no body holds the boundary. A letter always gets the same one.
        boundary = b"=_" + hashlib.sha256((letter.text + letter.html).encode()).hexdigest()[:32].encode()
        part = b"--%b\r\nContent-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        whole: list[Piece] = [
            part % (boundary, b"plain"),
            *quoted_printable.pieces(letter.text),
            b"\r\n" + part % (boundary, b"html"),
            *quoted_printable.pieces(letter.html),
            b"\r\n--%b--\r\n" % boundary,
        ]
        return cls(boundary, tuple(quoted_printable.joined(whole)))

    @classmethod
    def read(cls, kept: bytes) -> "EncodedBodies":
        """What kept() wrote. Raises ValueError for anything else, and for a later format."""
        try:
            told = json.loads(zlib.decompress(kept))
        except zlib.error as error:
            raise ValueError(f"these are no kept bodies: {error}") from None
        if told["format"] != _FORMAT:
            raise ValueError(f"these bodies were kept by a later release, in format {told['format']}")
        return cls(told["boundary"].encode(), tuple(map(_read, told["pieces"])))

    def kept(self) -> bytes:
        """The bodies in about a tenth of their size; for read(), also in later releases."""
        return zlib.compress(self.as_json(), 9)

    def as_json(self) -> bytes:
        """The bodies as JSON, the same for the same bodies."""
        told = {"format": _FORMAT, "boundary": self.boundary.decode(), "pieces": list(map(_kept, self.pieces))}
        return json.dumps(told).encode()


def _kept(piece: Piece) -> Any:
    """Constant bytes as text, which they are; a mark as its name in an object, an own vote as a list."""
    if isinstance(piece, bytes):
        return piece.decode("ascii")
    if isinstance(piece, EncodedOwnVote):
        return [piece.tool, *(each.decode("ascii") for each in piece[1:])]
    return {"mark": piece}


def _read(told: Any) -> Piece:
    if isinstance(told, str):
        return told.encode("ascii")
    if isinstance(told, list):
        tool, *pieces = told
        return EncodedOwnVote(tool, *(each.encode("ascii") for each in pieces))
    return str(told["mark"])
