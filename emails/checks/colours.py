"""Whether each text of a letter is large enough and stands out from its ground, in light and in dark mode."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from emails.checks import css
from emails.checks.css import Rule
from emails.checks.dom import Element, Page
from emails.checks.seen import Fault
from emails.checks.words import FILLER

_SMALLEST = 14
_LEAST = 4.5  # WCAG 2.2, success criterion 1.4.3
_HEX = re.compile(r"#([0-9a-f]{6})\b", re.IGNORECASE)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)px")
_NAMED = {"white": "#ffffff", "black": "#000000"}


class _Look(NamedTuple):
    """How a text looks: its colour, the ground behind it, and its size in pixels."""

    colour: str = "#000000"
    ground: str = "#ffffff"
    size: float = 16.0


def faults(page: Page) -> Iterator[Fault]:
    """The first text that is too small, and the first that does not stand out, in each of the two modes."""
    for mode in ("light", "dark"):
        applied = [rule for rule in css.rules(page.styles) if _applies(rule, mode)]
        looks = list(_texts(page.root, _Look(), applied))
        if small := next((text for text, look in looks if look.size < _SMALLEST), None):
            yield Fault(f"A text is smaller than {_SMALLEST} px: {small[:60]!r}.")
        for text, look in looks:
            if (found := contrast(look.colour, look.ground)) < _LEAST:
                told = f"A text stands out {found:.1f}:1 in {mode} mode, and 4.5:1 is the least: {text[:60]!r}."
                yield Fault(told)
                break


def _applies(rule: Rule, mode: str) -> bool:
    return rule.media is None or (mode == "dark" and "prefers-color-scheme: dark" in rule.media)


def _texts(element: Element, above: _Look, rules: list[Rule]) -> Iterator[tuple[str, _Look]]:
    declared = _declared(element, rules)
    if element.tag in ("head", "style", "script") or declared.get("display") == "none":
        return
    look = _look(declared, element.attributes.get("bgcolor", ""), above)
    for child in element.children:
        if isinstance(child, Element):
            yield from _texts(child, look, rules)
        elif any(not (each.isspace() or each in FILLER) for each in child):
            yield " ".join(child.split()), look


def _declared(element: Element, rules: list[Rule]) -> dict[str, str]:
    """What holds for the element: rules, then its own style, then what is important."""
    own = css.declarations(element.attributes.get("style", ""))
    met = sorted((rule for rule in rules if rule.meets(element)), key=lambda rule: rule.weight)
    plain: dict[str, str] = {}
    important: dict[str, str] = {}
    for rule in met:
        for name, value in rule.declared.items():
            (important if value.endswith("!important") else plain)[name] = value.removesuffix("!important").strip()
    return plain | own | important


def _look(declared: dict[str, str], bgcolor: str, above: _Look) -> _Look:
    size = _SIZE.search(declared.get("font-size", "")) or _SIZE.search(declared.get("font", ""))
    ground = _colour(declared.get("background-color", "")) or _colour(declared.get("background", ""))
    return _Look(
        _colour(declared.get("color", "")) or above.colour,
        ground or _colour(bgcolor) or above.ground,
        float(size[1]) if size else above.size,
    )


def _colour(value: str) -> str | None:
    found = _HEX.search(_NAMED.get(value, value))
    return found[0].lower() if found else None


def contrast(one: str, two: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(two)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
