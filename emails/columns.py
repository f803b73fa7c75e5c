"""How high the head of a tool's column may become: both columns get the same height, so their buttons stand level."""

import math
import unicodedata
from typing import NamedTuple

from emails.digest_content import ComparisonPart, ToolPart

# Characters that surely fit on a line of a column in the fonts of the letter's stack, the widest included, and the
# height of a line in pixels. Too low a number leaves white space; too high a one would put the buttons out of level.
_LABEL, _TAGLINE = (33, 21), (31, 25)
_PADDING = 14 + 2  # below the head, and above the tagline


class Names(NamedTuple):
    """How the names in both heads are set: type and line in pixels, and how many characters fit on a line."""

    size: int
    line: int
    room: int


_SHORT, _LONG = Names(30, 36, 15), Names(22, 28, 20)


def names(part: ComparisonPart) -> Names:
    """Long names are set smaller, and then both."""
    return _LONG if any(len(tool.name) > 2 * _SHORT.room for tool in part.tools) else _SHORT


def head_height(part: ComparisonPart) -> int:
    """The height in pixels in which the heads of both columns fit."""
    return max(_head(tool, names(part)) for tool in part.tools) + _PADDING


def _head(tool: ToolPart, name: Names) -> int:
    category = f"{tool.category} / Entry: {tool.entry}"
    texts = (category, _LABEL), (tool.name, (name.room, name.line)), (tool.tagline, _TAGLINE)
    return sum(_lines(text, wide) * high for text, (wide, high) in texts)


def _lines(text: str, room: int) -> int:
    """The most lines that the text takes, broken between words, and within a word only if it is longer than a line."""
    lines, used = 1, 0
    for word in text.split():
        width = sum(map(_width, word))
        if used and used + 1 + width > room:
            lines, used = lines + 1, 0
        if width > room:
            lines, used = lines + math.ceil(width / room) - 1, room
        else:
            used += width + bool(used)
    return lines


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):  # stands on, or joins, what is before it
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
