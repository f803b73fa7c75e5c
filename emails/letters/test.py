"""A digest as an editor tries it out: the same letter, and a line that says so."""

from dataclasses import replace

from emails.letter import Letter

_NOTE = "This is a test, sent to you alone."
_PLACE = '<span class="preheader">'


def test(letter: Letter) -> Letter:
    """The digest's letter with a note before its first line and in its subject."""
    return replace(
        letter,
        kind="test",
        subject=f"[Test] {letter.subject}",
        preheader=f"{_NOTE} {letter.preheader}",
        html=letter.html.replace(_PLACE, f"{_PLACE}<b>{_NOTE}</b> ", 1),
        text=f"{_NOTE}\n\n{letter.text}",
    )
