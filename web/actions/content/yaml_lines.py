"""Reads YAML with the line of every value, so that errors can name it."""

from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

DEEPEST = 20
Place = tuple[str | int, ...]


class Unreadable(ValueError):
    """Invalid or unsupported YAML; `line` counts from 1."""

    def __init__(self, said: str, line: int) -> None:
        super().__init__(said)
        self.line = line


@dataclass(frozen=True)
class Lined:
    """A value from YAML, with the line on which each part begins."""

    value: Any
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """The line of a path, or of its nearest existing parent."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    @staticmethod
    def field(place: Place) -> str:
        """A path in words, with entries counted from 1: `tools 2 reviews 1 verdict`."""
        return " ".join(str(part + 1) if isinstance(part, int) else part for part in place) or "the file"


def read(data: bytes) -> Lined:
    """Read one YAML document of plain mappings, lists and scalars; Unreadable for anything else."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("is not UTF-8 text; save it as UTF-8", data[: error.start].count(b"\n") + 1) from None
    loader = _loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        return Lined(_value(loader, node, (), lines) if node is not None else {}, lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(f"is no valid YAML: {error.problem or error.context}", mark.line + 1 if mark else 1) from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"is no valid YAML: {error}", 1) from None
    finally:
        loader.dispose()


def _loader(text: str) -> yaml.SafeLoader:
    try:
        return yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise Unreadable(f"holds the control character U+{ord(text[error.position]):04X}; take it out", line) from None


def _value(loader: yaml.SafeLoader, node: Node, place: Place, lines: dict[Place, int]) -> Any:
    line = node.start_mark.line + 1
    if place in lines or len(place) > DEEPEST:
        raise Unreadable("is nested too deeply", line)
    lines[place] = line
    if isinstance(node, ScalarNode):
        try:
            return loader.construct_object(node)
        except (ValueError, OverflowError) as error:  # a date that does not exist, such as 2026-13-45
            raise Unreadable(f"{Lined.field(place)} is no valid YAML: {error}", line) from None
    _only_once(loader, node)
    if isinstance(node, SequenceNode):
        return [_value(loader, each, (*place, at), lines) for at, each in enumerate(node.value)]
    assert isinstance(node, MappingNode)
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value if isinstance(key_node, ScalarNode) else None
        if key is None:
            raise Unreadable("has a key that is no word", key_node.start_mark.line + 1)
        if key in found:
            raise Unreadable(f"has the key {key!r} twice in one place", key_node.start_mark.line + 1)
        found[key] = _value(loader, value_node, (*place, key), lines)
    return found


def _only_once(loader: yaml.SafeLoader, node: Node) -> None:
    """Aliases are refused: a few nested ones can expand to millions of values (billion laughs)."""
    seen: set[int] = loader.__dict__.setdefault("seen_nodes", set())
    if id(node) in seen:
        raise Unreadable("uses an alias (*name); write the part out", node.start_mark.line + 1)
    seen.add(id(node))
