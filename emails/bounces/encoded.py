"""Takes the encodings of MIME off: base64, and encoded-words in headers (RFC 2047)."""

import binascii
import re

from emails.bounces import charsets

_LONGEST = 4000
_WORD = re.compile(r"=\?([\w.:+-]{1,40})(?:\*[\w-]{1,10})?\?([bq])\?([^?\r\n]{0,2000})\?=", re.IGNORECASE | re.ASCII)
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?)")


def words(value: str) -> str:
    """A header's text without encoded-words."""
    return _WORD.sub(_word, _BETWEEN_WORDS.sub(r"\1", value[:_LONGEST])) if "=?" in value else value


def from_base64(given: bytes) -> bytes:
    """What the base64 stands for; what is none in it is passed over, as is what was cut off."""
    plain = re.sub(rb"[^A-Za-z0-9+/]", b"", given)
    plain = plain[:-1] if len(plain) % 4 == 1 else plain
    return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4))


def _word(found: re.Match[str]) -> str:
    charset, encoding, given = found[1], found[2], found[3].encode("latin-1", "replace")
    plain = from_base64(given) if encoding in "bB" else binascii.a2b_qp(given.replace(b"_", b" "))
    return charsets.decoded(plain, charset)
