"""The letters: each is one function from plain values to a Letter; none reads the database."""

from emails.digest_content import ComparisonPart, DigestContent, Mover, Quote, Score, ToolPart
from emails.letter import MARK, Letter, Site, day, mark
from emails.letters.alert import alert
from emails.letters.confirm import confirm, reminder
from emails.letters.digest import digest
from emails.letters.test import test
from emails.letters.welcome import welcome
from emails.render import renderer

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
    "alert",
    "confirm",
    "day",
    "digest",
    "mark",
    "reminder",
    "renderer",
    "test",
    "welcome",
]
