"""How many lines a text takes at most, in the fonts of the letters: they are laid out without being seen."""

import unicodedata
from functools import cache
from typing import NamedTuple

from emails.texts.formats import shortened

_LETTERS = (
    (0.34, " .,:;'’|-/\\ijl"),
    (0.41, "!()[]ftIJ"),
    (0.52, '"“”*_`–rs'),
    (0.58, "?cvxyz"),
    (0.76, "BEFKLPRSTVXYZ"),
    (0.88, "w#+<=>^~&"),
    (1.03, "@%m—…MWжмфшщыюЖМФШЫЮ"),
    (1.25, "Щسشصض"),
)
"""The widest of each in the fonts that show our letters, DejaVu's included, in em; _width says it for the others."""


class Type(NamedTuple):
    """How a text is set: the room for a line, the type and the height of a line, all in pixels."""

    room: int
    size: int
    line: int


def width(text: str) -> float:
    """The most room that the text takes in a line, in em."""
    return sum(map(_width, text))


@cache
def _width(each: str) -> float:
    plain = unicodedata.normalize("NFD", each)[0]  # é is as wide as e
    for wide, letters in _LETTERS:
        if plain in letters:
            return wide
    category = unicodedata.category(each)
    if category in ("Mn", "Me", "Cf"):  # stands on, or joins, what is before it
        return 0
    if unicodedata.east_asian_width(each) in "WF" or category == "So":
        return 1.05 if category == "Lo" else 1.4  # an emoji is wider than a Chinese character
    if plain.isascii() and not plain.isupper():
        return 0.64
    return 0.7 if category == "Ll" or unicodedata.bidirectional(each) in ("R", "AL") else 0.88


def lines(text: str, how: Type) -> int:
    """The most lines that the text takes, broken between words, and within a word only if it is longer than a line."""
    room = how.room / how.size
    count, used = 1, 0.0
    for word in text.split():
        wide = width(word)
        if used and used + _width(" ") + wide > room:
            count, used = count + 1, 0.0
        if wide > room:
            more, used = _broken(word, room)
            count += more
        else:
            used += wide + (_width(" ") if used else 0)
    return count


def _broken(word: str, room: float) -> tuple[int, float]:
    """How many more lines a word takes that is longer than a line, and how much of the last one."""
    more, used = 0, 0.0
    for each in word:
        if used + _width(each) > room:
            more, used = more + 1, 0.0
        used += _width(each)
    return more, used


def high(text: str, how: Type) -> int:
    """The height in pixels in which the text surely fits."""
    return lines(text, how) * how.line


def cut(text: str, most: int, how: Type) -> str:
    """The text, cut between words when it might take more than so many lines."""
    if lines(text, how) <= most:
        return text
    fits, too_long = 1, len(text)
    while fits + 1 < too_long:
        middle = (fits + too_long) // 2
        fits, too_long = (middle, too_long) if lines(shortened(text, middle), how) <= most else (fits, middle)
    return shortened(text, fits)
