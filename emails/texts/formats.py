"""Text formats for letters: sanitized content, and numbers and dates as readers see them."""

import dataclasses
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from db.rules import share
from emails.digest_content import Score
from emails.letter import OPEN, day
from emails.texts import graphemes

Value = TypeVar("Value")

# Bidi overrides could reorder the text around them; templates isolate content themselves with <bdi>.
_MOST = 10_000  # characters: harmless() drops what follows
_COLUMNS = 72
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def harmless(text: str) -> str:
    """The text on one line, without control characters and without anything that looks like one of our placeholders
    (marks, see letter.py)."""
    spaced = " ".join(text[:_MOST].split())
    shown = "".join(filter(_is_shown, spaced))
    return " ".join(shown.split()).replace(OPEN, "{ ~")


def _is_shown(each: str) -> bool:
    no_character = ord(each) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(each) <= 0xFDEF
    return not (no_character or each in _DIRECTIONS or unicodedata.category(each) in ("Cc", "Cs"))


def all_harmless(value: Value) -> Value:
    """A copy of the dataclass in which every text is sanitized."""
    made: Any = value
    if isinstance(value, str):
        made = harmless(value)
    elif isinstance(value, tuple):
        made = tuple(all_harmless(each) for each in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        made = dataclasses.replace(value, **{name: all_harmless(each) for name, each in fields.items()})
    return made  # type: ignore[no-any-return]


def shortened(text: str, most: int) -> str:
    """The text, cut between words when it is longer than `most` characters, and never within one that readers see."""
    if len(text) <= most:
        return text
    head = text[: graphemes.cut_before(text, most - 1)]
    cut = head.rfind(" ", most // 2)
    return (head[:cut] if cut > 0 else head).rstrip(" ,;:.–—") + "…"


def percent(score: Score) -> int | None:
    """The share of ship in whole percent; None when there are no votes or reviews."""
    return share(score.ship, score.skip)


def counted(number: int) -> str:
    """A small number in words, a large one with commas: eight; 1,024."""
    return _COUNTS[number] if number < len(_COUNTS) else f"{number:,}"


def plural(number: int, word: str) -> str:
    """three reviews; one review."""
    return f"{counted(number)} {word}" + ("" if number == 1 else "s")


def weekday(when: datetime) -> str:
    """Tuesday 17 November 2026, in the time's own zone."""
    return f"{_DAYS[when.weekday()]} {day(when)}"


def moment(when: datetime) -> str:
    """Tuesday 17 November 2026, 08:30 UTC, or 09:30 UTC+1: in the time's own zone."""
    return f"{weekday(when)}, {when:%H:%M} {offset(when)}"


def offset(when: datetime) -> str:
    """The time's zone as its distance from UTC, which also comes back from storage: UTC, UTC+1, UTC-3:30."""
    minutes = int((when.utcoffset() or timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    return "UTC" if not minutes else f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")


def wrapped(text: str, indent: str = "") -> str:
    """The text in lines of at most 72 columns, without breaking words or links. Scripts that put no spaces between
    words are broken between characters, each of which is two columns wide."""
    lines: list[str] = []
    for word in filter(None, text.split(" ")):
        for number, piece in enumerate(_pieces(word)):
            glue = "" if number else " "
            if lines and _columns(lines[-1] + glue + piece) <= _COLUMNS:
                lines[-1] += glue + piece
            else:
                lines.append(indent + piece)
    return "\n".join(lines)


def _pieces(word: str) -> Iterator[str]:
    start = 0
    for place in range(1, len(word)):
        if "://" not in word and _breaks(word, place):
            yield word[start:place]
            start = place
    yield word[start:]


def _breaks(word: str, place: int) -> bool:
    """Whether a line may end there: between two wide characters, but not before a full stop or behind a bracket."""
    before, after = word[place - 1], word[place]
    if "가" <= after <= "힣":  # Korean puts spaces between words
        return False
    if not (_is_wide(before) and _is_wide(after)) or graphemes.cut_before(word, place) != place:
        return False
    return unicodedata.category(before) not in ("Ps", "Pi") and unicodedata.category(after) not in ("Pe", "Pf", "Po")


def _columns(text: str) -> int:
    return sum(0 if unicodedata.category(each) in ("Mn", "Me", "Cf") else 1 + _is_wide(each) for each in text)


def _is_wide(each: str) -> bool:
    return unicodedata.east_asian_width(each) in "WF"
