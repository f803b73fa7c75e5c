"""Writes a long pattern as a list: one alternative a line."""

import re


def one_of(lines: str) -> re.Pattern[str]:
    """The pattern that matches what any of the lines does, whatever its case. ` .. ` stands for up to four words."""
    return re.compile(_joined(lines), re.IGNORECASE)


def one_of_folded(lines: str) -> re.Pattern[str]:
    """The same for text that was folded, written in lower case. Where capitals need not be looked for, `re` goes
    through a text two to six times as fast."""
    return re.compile(without_dotless(_joined(lines)))


def folded(text: str) -> str:
    """The text in lower case."""
    return without_dotless(text.lower())


def without_dotless(text: str) -> str:
    """The text with one kind of i: in Turkish capitals I is that of ı, and İ that of i."""
    return text.replace("ı", "i").replace("i\N{COMBINING DOT ABOVE}", "i")


def _joined(lines: str) -> str:
    return "|".join(line.strip() for line in lines.splitlines() if line.strip()).replace(" .. ", r" (?:\S{1,40} ){0,4}")
