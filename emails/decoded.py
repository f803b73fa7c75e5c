"""The texts of what came back, decoded in every way that is used in mails, so that an address in it is found.

Unlike the bounce reader it reads everything: what is deleted for an erased person's sake must not depend on how far
into a mail their address stands, or whether the mail is well-formed.
"""

import binascii
import html
import json
import re
from collections.abc import Iterator
from email.header import decode_header

_SOFT_BREAK = re.compile(rb"=[ \t]*\r?\n")
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4,}={0,2}[ \t]*\r?\n)*[A-Za-z0-9+/]{12,}={0,2}")
_WORD = r"=\?[\w*-]{1,60}\?[bBqQ]\?[^?\r\n]{0,500}\?="
_WORDS = re.compile(rf"{_WORD}(?:\s{{1,4}}{_WORD}){{0,30}}")
_TAG = re.compile(r"<[A-Za-z/!][^<>]{0,2000}>")
_AT_SIGN = re.compile("@|40|64;|commat|＠")
_AROUND = 330
_SHORT = 60
_DEPTH = 4


def texts(raw: bytes, depth: int = _DEPTH) -> Iterator[str]:
    """The text as it stands, and decoded: quoted-printable, base64, encoded words, HTML, JSON, UTF-16."""
    if not raw:
        return
    for each in _spelled(raw):
        text = each.decode("utf-8", "replace")
        yield text
        yield from _in_words(text)
        if "<" in text:
            yield html.unescape(_TAG.sub("", text))
    yield from _in_json(raw)
    if depth:
        for found in _BASE64.finditer(raw):
            inner = _from_base64(found[0])
            if len(inner) > _SHORT or b"@" in inner or b"40" in inner:  # most are words, and no base64 at all
                yield from texts(inner, depth - 1)


def around_at_signs(text: str) -> Iterator[str]:
    """The words of a text in which an address can stand, so that megabytes without one need not be searched."""
    for found in _AT_SIGN.finditer(text):
        before, behind = (
            text[max(0, found.start() - _AROUND) : found.start()],
            text[found.end() : found.end() + _AROUND],
        )
        yield _last_word(before) + found[0] + _first_word(behind)


def _last_word(text: str) -> str:
    return text.split()[-1] if text and not text[-1].isspace() else ""


def _first_word(text: str) -> str:
    return text.split(None, 1)[0] if text and not text[0].isspace() else ""


def _spelled(raw: bytes) -> Iterator[bytes]:
    yield raw
    if b"\0" in raw:
        yield raw.replace(b"\0", b"")  # ASCII in UTF-16
    if b"=" in raw:
        yield binascii.a2b_qp(_SOFT_BREAK.sub(b"", raw))
    if _FOLDED.search(raw):
        yield _FOLDED.sub(b"", raw)


def _in_words(text: str) -> Iterator[str]:
    """Encoded words (RFC 2047), those that follow one another put together."""
    for found in _WORDS.finditer(text):
        try:
            parts = decode_header(found[0])
            yield "".join(part if isinstance(part, str) else part.decode(name or "ascii", "replace")
                          for part, name in parts)  # fmt: skip
        except (ValueError, LookupError):  # an invalid one, or an unknown charset
            continue


def _in_json(raw: bytes) -> Iterator[str]:
    """JSON without its escapes, also JSON within a text of it, as SNS writes it."""
    text = raw.decode("utf-8", "replace").lstrip()
    for _ in range(3):
        if not text.startswith("{"):
            return
        try:
            found = json.loads(text)
            text = json.dumps(found, ensure_ascii=False)
        except (ValueError, RecursionError):
            return
        yield text
        inner = found.get("Message")
        text = inner.lstrip() if isinstance(inner, str) else ""


def _from_base64(run: bytes) -> bytes:
    plain = re.sub(rb"[\s=]", b"", run)
    try:
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return b""
