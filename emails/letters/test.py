"""A test of a digest for an editor: the same letter, with a line that says it is a test."""

from dataclasses import replace

from emails.letter import Letter

_NOTE = "This is a test, sent to you alone."
_PLACE = '<span class="preheader">'


def test(letter: Letter) -> Letter:
    """The digest's letter, marked as a test in its subject and above its first line."""
    return replace(
        letter,
        kind="test",
        subject=f"[Test] {letter.subject}",
        preheader=_NOTE,
        html=letter.html.replace(_PLACE, f"{_PLACE}<b>{_NOTE}</b> ", 1),
        text=f"{_NOTE}\n\n{letter.text}",
    )
