"""Texts that people type: no control characters, and one form of what looks alike."""

import re
import unicodedata

_BIDI = dict.fromkeys(map(ord, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"))


def control_in(text: str) -> str | None:
    """The first control character in `text` (Unicode Cc except line feed, and U+2028, U+2029), or None."""
    for char in text:
        if (unicodedata.category(char) == "Cc" and char != "\n") or char in "\u2028\u2029":
            return char
    return None


def plain(text: str) -> str:
    """`text` normalized for display: NFC, single spaces, and no bidi overrides, which could reorder the line."""
    return re.sub(r"[ \n]+", " ", unicodedata.normalize("NFC", text).translate(_BIDI)).strip()
