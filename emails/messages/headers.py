"""Writes header lines itself, because the standard library's folding breaks some important ones.

Its folding policy turns a long List-Unsubscribe into encoded words, and mail apps then show no unsubscribe button.
Here only Subject and display names use encoded words (RFC 2047), and control characters raise an error.
"""

import base64
import re
import unicodedata
from typing import Literal

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}", re.ASCII)
_SEPARATORS = " ,;:|/-"
"""What may stand between two names in one, and is left over at an end when one of them was in another script."""
_WIDTH = 76


class Unwritable(ValueError):
    """A value that may not go into a header or body; the message names it."""


def checked(value: str) -> str:
    """The value, if it has no control character, line separator or lone surrogate; else raises Unwritable."""
    if found := _CONTROL.search(value):
        raise Unwritable(f"U+{ord(found[0]):04X} may not stand in a header: {value[:60]!r}")
    return value


def address(value: str) -> str:
    """The value, if it is an ASCII address without quoting or comments; else raises Unwritable."""
    if len(value) > 254 or not _ADDRESS.fullmatch(value):
        raise Unwritable(f"this is no address that a letter can carry: {value[:80]!r}")
    return value


def structured(name: str, value: str) -> bytes:
    """A header of ASCII tokens, folded only after a comma and a space."""
    if not checked(value).isascii():
        raise Unwritable(f"{name} holds ASCII only: {value[:60]!r}")
    folded = value.replace(", ", ",\r\n ") if len(name) + 2 + len(value) > _WIDTH else value
    return f"{name}: {folded}\r\n".encode("ascii")


def subject(text: str) -> bytes:
    """The Subject header, in encoded words where plain ASCII cannot hold it."""
    return b"Subject: " + _unstructured(checked(text), len("Subject: ")) + b"\r\n"


def mailbox(field: Literal["From", "Reply-To"], name: str, at: str) -> bytes:
    """A header with one mailbox; the display name may be in any script, the address `at` is ASCII."""
    words = _phrase(checked(name), len(field) + 2)
    bracketed = b"<%b>" % address(at).encode("ascii")
    start = f"{field}: ".encode("ascii") + words
    if not words:
        return start + bracketed + b"\r\n"
    room = _WIDTH - len(start.split(b"\r\n")[-1])
    return start + (b" " if len(bracketed) < room else b"\r\n ") + bracketed + b"\r\n"


def ascii_phrase(name: str) -> str:
    """The name in plain ASCII where encoded words are not allowed: without accents, quoted where needed, and without
    what simple readers of a header stumble over in quotes: brackets, quotes, and what looks like an encoded word."""
    plain = unicodedata.normalize("NFKD", checked(name)).encode("ascii", "ignore").decode()
    plain = re.sub(r'["\\<>]|=\?|\?=', "", plain)
    return _quoted(" ".join(plain.split())[:60].strip(_SEPARATORS))


def _quoted(plain: str) -> str:
    if _ATOMS.fullmatch(plain) or not plain:
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _phrase(name: str, offset: int) -> bytes:
    if name.isascii() and len(name) < _WIDTH - offset and "=?" not in name:
        return _quoted(name).encode("ascii")
    return _words(name, offset)


def _unstructured(text: str, offset: int) -> bytes:
    words = text.split(" ")
    if not text.isascii() or "=?" in text or any(not word or len(word) > 60 for word in words):
        return _words(text, offset)
    lines, width = [words[0]], offset + len(words[0])
    for word in words[1:]:
        if width + 1 + len(word) > _WIDTH:
            lines.append(word)
            width = 1 + len(word)
        else:
            lines[-1] += f" {word}"
            width += 1 + len(word)
    return "\r\n ".join(lines).encode("ascii")


def _words(text: str, offset: int) -> bytes:
    """Encoded words of whole characters, on lines of at most 76 (RFC 2047, section 2)."""
    done: list[bytes] = []
    chunk = b""
    room = _room(offset)
    for each in map(str.encode, text):
        if len(chunk) + len(each) > room:
            done.append(chunk)
            chunk, room = b"", _room(1)
        chunk += each
    done.append(chunk)
    return b"\r\n ".join(b"=?utf-8?B?%b?=" % base64.b64encode(chunk) for chunk in done)


def _room(offset: int) -> int:
    return (_WIDTH - offset - len("=?utf-8?B??=")) // 4 * 3
