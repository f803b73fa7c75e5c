"""Content files: tools, reviews and comparisons in YAML, read and validated, each fault told with its line."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from web.actions.content.content_form import Content
from web.actions.content.yaml_lines import Lined, Unreadable, read

LARGEST = 20 * 2**20
"""The largest file in bytes; a year's comparisons take less than one megabyte."""


class BadContent(ValueError):
    """Content files that cannot be loaded; `problems` are sentences, each with its file, line and field."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class ContentFile:
    """One file's content with the line of each part."""

    name: str
    content: Content
    lined: Lined

    def at(self, *place: str | int) -> str:
        return f"{self.name}:{self.lined.line(place)}: {Lined.field(place)}"


def read_files(paths: Iterable[Path]) -> list[ContentFile]:
    """Read and validate content files. Raises BadContent with every problem in any of them."""
    files, problems = [], []
    for path in paths:
        try:
            files.append(_read(path))
        except BadContent as bad:
            problems += bad.problems
    if problems:
        raise BadContent(problems)
    return files


def _read(path: Path) -> ContentFile:
    try:
        if path.stat().st_size > LARGEST:
            raise BadContent([f"{path}: is larger than {LARGEST // 2**20} MB; split it into several files"])
        lined = read(path.read_bytes())
    except OSError as error:
        raise BadContent([f"{path}: cannot be read: {error.strerror}"]) from None
    except Unreadable as error:
        raise BadContent([f"{path}:{error.line}: {error}"]) from None
    try:
        return ContentFile(str(path), Content.model_validate(lined.value), lined)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise BadContent([_sentence(str(path), lined, each) for each in found[:50]]) from None


_SAYINGS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here; see the form in docs/editors.md",
    "string_type": "must be text; put it in quotes",
    "list_type": "must be a list, each entry on a line that begins with a dash",
    "model_type": "must have fields of its own, such as name: …",
    "literal_error": "must be ship or skip",
    "bool_type": "must be true or false",
    "string_pattern_mismatch": "must be lower-case letters, digits and single hyphens, such as second-pair",
}


def _sentence(name: str, lined: Lined, error: Any) -> str:
    place = tuple(error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    if kind == "string_too_long":
        said = f"is longer than {context['max_length']} characters"
    elif kind in ("too_short", "too_long"):
        said = "must name exactly two tools"
    elif kind == "value_error":
        said = str(context["error"])
    else:
        said = _SAYINGS.get(kind, error["msg"])
    return f"{name}:{lined.line(place)}: {Lined.field(place)} {said}"
