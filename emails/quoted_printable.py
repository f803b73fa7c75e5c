"""A quoted-printable encoder (RFC 2045, section 6.7) whose output needs no dot-stuffing or `From ` escaping.

Lines have at most 76 columns, and no line begins with a dot or with `From `, so SMTP, the DKIM signature and a
Maildir all see the same bytes. Each mark stands on a line of its own between soft breaks, so that a value can replace
it without moving anything else.
"""

import re

from emails.letter import MARK

_COLUMNS = 75  # plus one for the equals sign of a soft break
_SOFT_BREAK = b"=\r\n"
_PLAIN = {byte: bytes([byte]) for byte in range(32, 127) if byte != ord("=")} | {9: b"\t"}
_ENCODED = [_PLAIN.get(byte, b"=%02X" % byte) for byte in range(256)]

Piece = bytes | str
"""Encoded bytes, or the name of the mark at this place."""


def pieces(text: str) -> list[Piece]:
    """The encoded text, split at its marks; it always ends with a line break."""
    lines = re.sub(r"\r\n?", "\n", text).removesuffix("\n").split("\n")
    done: list[Piece] = []
    for line in lines:
        done += _line(line)
    return _joined(done)


def _line(line: str) -> list[Piece]:
    constants, names = MARK.split(line)[::2], MARK.findall(line)
    last = len(names)
    done: list[Piece] = []
    for place, constant in enumerate(constants):
        done.append(_encoded(constant.encode(), ends_line=place == last))
        if place < last:
            if constant:
                done.append(_SOFT_BREAK)
            done.append(names[place])
            if place + 1 < last or constants[-1]:
                done.append(_SOFT_BREAK)
    return [*done, b"\r\n"]


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


def _joined(done: list[Piece]) -> list[Piece]:
    """Joins adjacent byte pieces, so that a message is built from few pieces."""
    joined: list[Piece] = [b""]
    for piece in done:
        if isinstance(piece, bytes) and isinstance(joined[-1], bytes):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
