"""As much of CSS as letters use: rules with classes and tags, in media queries or not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from emails.checks.dom import Element

_KNOWN = (
    "-ms-interpolation-mode -ms-text-size-adjust -webkit-text-size-adjust background background-color border"
    " border-bottom border-collapse border-color border-left border-radius border-right border-spacing border-top"
    " border-width color color-scheme direction display font font-family font-size font-style font-weight height"
    " letter-spacing line-height margin margin-bottom margin-left margin-right margin-top max-height max-width"
    " min-height mso-line-height-rule mso-table-lspace mso-table-rspace outline overflow overflow-wrap padding"
    " padding-bottom padding-left padding-right padding-top supported-color-schemes table-layout text-align"
    " text-decoration text-transform vertical-align white-space width word-break word-spacing"
)
KNOWN = frozenset(_KNOWN.split())
"""The properties that MJML's own components use, and `overflow-wrap` and `supported-color-schemes`, which do no harm
where they are unknown."""
_PIECE = re.compile(r"([a-z0-9]*|\*)((?:\.[\w-]+)*)(:root)?")


@dataclass(frozen=True)
class Rule:
    """A rule: the media query around it, one selector, and what it declares; values keep their `!important`."""

    media: str | None
    selector: str
    declared: dict[str, str]

    @cached_property
    def _pieces(self) -> list[tuple[str, str, frozenset[str]]] | None:
        """From right to left: how it stands to the one before (`>`, or a space), its tag and its classes."""
        found, above = [], " "
        for part in self.selector.replace(">", " > ").split():
            if part == ">":
                above = ">"
                continue
            piece = _PIECE.fullmatch(part)
            if piece is None:
                return None
            tag = "html" if piece[3] else piece[1].removeprefix("*")
            found.append((above, tag, frozenset(filter(None, piece[2].split(".")))))
            above = " "
        return found[::-1]

    @property
    def weight(self) -> tuple[int, int]:
        """Its specificity, without ids."""
        pieces = self._pieces or []
        return sum(len(classes) for _, _, classes in pieces), sum(bool(tag) for _, tag, _ in pieces)

    def meets(self, element: Element) -> bool:
        """Whether the selector is one for the element. One that is not understood meets none."""
        return bool(self._pieces) and _meets(self._pieces or [], element)


def _meets(pieces: list[tuple[str, str, frozenset[str]]], element: Element) -> bool:
    (above, tag, classes), *rest = pieces
    if (tag and tag != element.tag) or not classes <= element.classes:
        return False
    if not rest:
        return True
    over = element.above
    while over is not None:
        if _meets(rest, over):
            return True
        over = None if above == ">" else over.above
    return False


@lru_cache(maxsize=8)
def rules(styles: str) -> tuple[Rule, ...]:
    """The rules of a style sheet."""
    return tuple(_rules(re.sub(r"/\*.*?\*/", "", styles, flags=re.DOTALL), None))


def _rules(styles: str, media: str | None) -> Iterator[Rule]:
    at = 0
    while (opened := styles.find("{", at)) >= 0:
        before, closed = styles[at:opened].strip(), _closing(styles, opened)
        if before.startswith("@media"):
            yield from _rules(styles[opened + 1 : closed], " ".join(before.split()))
        else:
            declared = declarations(styles[opened + 1 : closed])
            yield from (Rule(media, selector.strip(), declared) for selector in before.split(","))
        at = closed + 1


def _closing(styles: str, opened: int) -> int:
    deep = 0
    for at in range(opened, len(styles)):
        deep += {"{": 1, "}": -1}.get(styles[at], 0)
        if not deep:
            return at
    return len(styles)


@lru_cache(maxsize=4096)
def declarations(style: str) -> dict[str, str]:
    """What a style attribute, or a rule's block, declares; the last of a name holds."""
    pairs = (each.partition(":") for each in style.split(";") if ":" in each)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
