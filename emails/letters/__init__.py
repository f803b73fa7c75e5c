"""The letters: each is one function from plain values to a Letter; none asks a database."""

from emails.letters.content import ComparisonPart, DigestContent, Mover, Quote, Score, ToolPart
from emails.letters.letter import MARK, Letter, Site, day, mark

__all__ = [
    "MARK",
    "ComparisonPart",
    "DigestContent",
    "Letter",
    "Mover",
    "Quote",
    "Score",
    "Site",
    "ToolPart",
    "day",
    "mark",
]
