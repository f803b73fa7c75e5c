"""A quoted-printable encoder (RFC 2045, section 6.7) whose output needs no dot-stuffing or `From ` escaping.

Lines have at most 76 columns, and no line begins with a dot or with `From `, so SMTP, the DKIM signature and a
Maildir all see the same bytes. Each mark stands on a line of its own between soft breaks, so that a value can replace
it without moving anything else. So does each place for an own vote, whose pieces bring the break behind them.
"""

import re
from typing import NamedTuple

from emails.letter import MARK, OWN, OwnVote

_COLUMNS = 75  # plus one for the equals sign of a soft break
_SOFT_BREAK = b"=\r\n"
_PLAIN = {byte: bytes([byte]) for byte in range(32, 127) if byte != ord("=")} | {9: b"\t"}
_ENCODED = [_PLAIN.get(byte, b"=%02X" % byte) for byte in range(256)]
_VARYING = re.compile(f"(?:{MARK.pattern})|(?:{OWN.pattern})", re.DOTALL)


class EncodedOwnVote(NamedTuple):
    """The pieces of one place for an own vote (see OwnVote), each encoded."""

    tool: int
    ship: bytes
    skip: bytes
    none: bytes


Piece = bytes | str | EncodedOwnVote
"""Encoded bytes, the name of the mark at this place, or what stands here by the reader's own vote."""


def pieces(text: str) -> list[Piece]:
    """The encoded text, split at its marks and places; it always ends with a line break."""
    whole = re.sub(r"\r\n?", "\n", text).removesuffix("\n") + "\n"
    done: list[Piece] = []
    at = 0
    for found in _VARYING.finditer(whole):
        done.append(_constant(whole[at : found.start()]))
        done += _varying(found, ends_line=whole[found.end()] == "\n")
        at = found.end()
    done.append(_constant(whole[at:]))
    return joined(done)


def _constant(text: str) -> bytes:
    """Text between two marks or places; a last line that it does not end is broken softly."""
    *lines, rest = text.split("\n")
    return b"".join(_encoded(line.encode(), ends_line=True) + b"\r\n" for line in lines) + (
        _encoded(rest.encode(), ends_line=False) + _SOFT_BREAK if rest else b""
    )


def _varying(found: re.Match[str], *, ends_line: bool) -> list[Piece]:
    if found[1]:
        return [found[1]] if ends_line else [found[1], _SOFT_BREAK]
    place = OwnVote(int(found[2]), *found.group(3, 4, 5))
    if MARK.search("".join(place[1:])):
        raise ValueError(f"no mark may stand in a place for an own vote: {place}")
    ship, skip, none = (_piece(text, ends_line=ends_line) for text in place[1:])
    return [EncodedOwnVote(place.tool, ship, skip, none)]


def _piece(text: str, *, ends_line: bool) -> bytes:
    """One piece with the break behind it: none if it is empty, ends in one, or the body's own line ends here."""
    lines = [_encoded(line.encode(), ends_line=True) for line in text.split("\n")]
    return b"\r\n".join(lines) + (_SOFT_BREAK if lines[-1] and not ends_line else b"")


def _encoded(raw: bytes, *, ends_line: bool) -> bytes:
    units = [_ENCODED[byte] for byte in raw]
    if ends_line and units and raw[-1:] in (b" ", b"\t"):
        units[-1] = b"=%02X" % raw[-1]
    rows: list[bytes] = []
    start = 0
    while start < len(units):
        stop, width = start, 0
        first = _first(units, start)
        while stop < len(units) and width + len(first if stop == start else units[stop]) <= _COLUMNS:
            width += len(first if stop == start else units[stop])
            stop += 1
        rows.append(first + b"".join(units[start + 1 : stop]))
        start = stop
    return _SOFT_BREAK.join(rows)


def _first(units: list[bytes], start: int) -> bytes:
    """The first character of a line, encoded if mail systems would alter it (a dot, the F of `From `)."""
    if units[start] == b"." or units[start : start + 5] == [b"F", b"r", b"o", b"m", b" "]:
        return b"=%02X" % units[start][0]
    return units[start]


def joined(done: list[Piece]) -> list[Piece]:
    """The same pieces with adjacent bytes joined, so that a message is built from few."""
    whole: list[Piece] = [b""]
    for piece in done:
        if isinstance(piece, bytes) and isinstance(whole[-1], bytes):
            whole[-1] += piece
        else:
            whole.append(piece)
    return whole
