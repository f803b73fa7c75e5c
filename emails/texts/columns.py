"""How high the head of a tool's column may become: both columns get the same height, so their buttons stand level."""

from emails.digest_content import ComparisonPart, ToolPart
from emails.texts.text_width import Type, high, lines

_ROOM = 250  # a column is 252 pixels wide
_LABEL, _TAGLINE = Type(_ROOM, 15, 21), Type(_ROOM, 17, 25)
_SHORT, _LONG = Type(_ROOM, 30, 36), Type(_ROOM, 22, 28)
_PADDING = 14 + 2  # below the head, and above the tagline


def names(part: ComparisonPart) -> Type:
    """How the names in both heads are set: long ones smaller, and then both."""
    return _LONG if any(lines(tool.name, _SHORT) > 2 for tool in part.tools) else _SHORT


def head_height(part: ComparisonPart) -> int:
    """The height in pixels in which the heads of both columns fit."""
    return max(_head(tool, names(part)) for tool in part.tools) + _PADDING


def _head(tool: ToolPart, name: Type) -> int:
    return high(entry_line(tool), _LABEL) + high(tool.name, name) + high(tool.tagline, _TAGLINE)


def entry_line(tool: ToolPart) -> str:
    """What stands above a tool's name."""
    return f"{tool.category} / Entry: {tool.entry}"
