"""Writes a sample of every letter, for validators and for eyes: python -m tests.emails.samples FOLDER."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mjml

from emails import letters
from emails.letters import DigestContent, Letter
from tests.emails.people import ALERT, ALICE, SITE, TOLD, WEEK, long_week

OWN_VOTES = "s--k--sk"
"""What Alice has said: Larkspur, Draftsman, and both of last week's."""


def samples() -> Iterator[tuple[str, Letter]]:
    """Every letter, and the digest in its shapes: an ordinary week, a quiet one, a very long one."""
    quiet = DigestContent(WEEK.slot, WEEK.due, WEEK.cutoff, WEEK.comparisons[:1])
    yield "digest", letters.digest(TOLD, SITE)
    yield "digest-quiet", letters.digest(quiet, SITE)
    yield "digest-long", letters.digest(long_week(50), SITE)
    yield "test", letters.test(letters.digest(TOLD, SITE))
    yield "confirm", letters.confirm(SITE)
    yield "reminder", letters.reminder(SITE)
    yield "welcome", letters.welcome(SITE, "Every Tuesday at 09:00", WEEK, "digest@verdicts.example")
    yield "welcome-first", letters.welcome(SITE)
    yield "alert", letters.alert(SITE, **ALERT)


def write(folder: Path) -> None:
    """Each sample as .mjml (its source), .html and .txt (as Alice gets it)."""
    folder.mkdir(parents=True, exist_ok=True)
    sources: list[str] = []
    render = mjml.mjml2html

    def recording(source: str, **options: Any) -> str:
        sources.append(source)
        return str(render(source, **options))

    with patch("mjml.mjml2html", recording):
        for name, letter in samples():
            filled = letter.filled(ALICE, OWN_VOTES)
            (folder / f"{name}.mjml").write_text(sources[-1])
            (folder / f"{name}.html").write_text(filled.html)
            (folder / f"{name}.txt").write_text(filled.text)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
