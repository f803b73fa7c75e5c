"""How high the head of a tool's column may become: both columns get the same height, so their buttons stand level."""

import math
import unicodedata

from emails.digest_content import ComparisonPart, ToolPart

# Characters that surely fit on a line of a column in the fonts of the letter's stack, the widest included, and the
# height of a line in pixels. Too low a number leaves white space; too high a one would put the buttons out of level.
_LABEL, _NAME, _TAGLINE = (33, 21), (15, 36), (31, 25)
_PADDING = 14 + 2  # below the head, and above the tagline


def head_height(part: ComparisonPart) -> int:
    """The height in pixels in which the heads of both columns fit."""
    return max(_head(tool) for tool in part.tools) + _PADDING


def _head(tool: ToolPart) -> int:
    texts = (f"{tool.category} / Entry: {tool.entry}", _LABEL), (tool.name, _NAME), (tool.tagline, _TAGLINE)
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
