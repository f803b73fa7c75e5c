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
from itertools import chain

_SOFT_BREAK = re.compile(rb"=[ \t]*\r?\n")
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_QUOTED = re.compile(rb"^[ \t]*(?:>[ \t]?)+([^\n]*)", re.MULTILINE)
_RUN = re.compile(rb"[A-Za-z0-9+/_-]{12,}={0,2}(?:[ \t]*\r?\n[A-Za-z0-9+/_-]{4,}={0,2}(?=[ \t]*\r?(?:\n|\Z)))*")
"""What may be base64, or hexadecimal, in one line or in several."""
_HEX = re.compile(rb"[0-9A-Fa-f]{12,}")
_DIVIDED_HEX = re.compile(rb"[0-9A-Fa-f]{2}(?:[ :][0-9A-Fa-f]{2}){5,}")
_UUENCODED = re.compile(rb"^begin [0-7]{3,4} [^\n]{1,200}\n((?:[ -`]{1,62}\r?\n){1,200000})", re.MULTILINE)
_UTF_7 = re.compile(rb"\+A[A-P]")
_ESCAPE = re.compile(rb"(?:\\x\{?|\+)([0-9A-Fa-f]{2})\}?")
"""In addresses of delivery reports (RFC 3461, section 4; RFC 6533, section 3), and as Python writes bytes."""
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_WORD = r"=\?[\w*-]{1,60}\?[bBqQ]\?[^?\r\n]{0,500}\?="
_WORDS = re.compile(rf"{_WORD}(?:\s{{1,4}}{_WORD}){{0,30}}")
_TAG = re.compile(r"<[A-Za-z/!][^<>]{0,2000}>")
_AT_SIGN = re.compile(r"@|＠|%(?:25)*40|=40|&#(?:0*64|[xX]0*40);|&commat;|\\u0040|\\x40")
_AROUND = 330
_SHORT = 60
_DEPTH = 4


def texts(raw: bytes, depth: int = _DEPTH) -> Iterator[str]:
    """The text as it stands, and decoded: quoted-printable, base64, uuencode, hexadecimal, UTF-7 and UTF-16, encoded
    words, HTML, JSON, the escapes of reports, and without the marks of a quotation."""
    if not raw:
        return
    for text in _spelled(raw):
        yield text
        yield from _in_words(text)
        if "<" in text or "&#" in text:
            yield html.unescape(_TAG.sub("", text))
    yield from _in_json(raw)
    if depth:
        for inner in chain(_from_runs(raw), _from_divided_hex(raw), _from_uuencode(raw), _quoted(raw)):
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


def _spelled(raw: bytes) -> Iterator[str]:
    ways = [raw]
    if b"\0" in raw:
        ways.append(raw.replace(b"\0", b""))  # ASCII in UTF-16
    if b"=" in raw:
        ways.append(binascii.a2b_qp(_SOFT_BREAK.sub(b"", raw)))
    if b"\n " in raw or b"\n\t" in raw:
        ways.append(_FOLDED.sub(b"", raw))
    if b"\\x" in raw or b"+40" in raw:
        ways.append(_ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), raw))
    yield from (each.decode("utf-8", "replace") for each in ways)
    yield from (each.decode("utf-7", "replace") for each in ways if _UTF_7.search(each))


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


def _from_runs(raw: bytes) -> Iterator[bytes]:
    for found in _RUN.finditer(raw):
        lines = found[0].split()
        yield from _from_base64(lines)
        digits = b"".join(lines)
        for each in _HEX.findall(digits):
            yield from _from_hex(each)


def _from_base64(lines: list[bytes]) -> Iterator[bytes]:
    whole = [lines]
    if len(lines) > 1 and len(lines[0]) != len(lines[1]):
        whole.append(lines[1:])  # the first is a word
    for each in whole:
        inner = _decoded(b"".join(each))
        if len(inner) > _SHORT or b"@" in inner or b"40" in inner:  # most are words, and no base64 at all
            yield inner
    if len(lines) == 1:
        for part in lines[0].split(b"/")[1:]:  # of a link
            inner = _decoded(part)
            if b"@" in inner and inner.isascii():
                yield inner


def _decoded(run: bytes) -> bytes:
    plain = run.replace(b"=", b"").translate(_URL_SAFE)
    try:
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return b""


def _from_divided_hex(raw: bytes) -> Iterator[bytes]:
    for found in _DIVIDED_HEX.findall(raw):
        yield from _from_hex(re.sub(rb"[ :]", b"", found))


def _from_hex(digits: bytes) -> Iterator[bytes]:
    for start in (0, 1):  # a digit before it may be no part of it
        inner = binascii.a2b_hex(digits[start : start + (len(digits) - start) // 2 * 2])
        if b"@" in inner:
            yield inner


def _from_uuencode(raw: bytes) -> Iterator[bytes]:
    if b"\nbegin " not in raw and not raw.startswith(b"begin "):
        return
    for found in _UUENCODED.finditer(raw):
        lines = []
        for line in found[1].splitlines():
            try:
                lines.append(binascii.a2b_uu(line))
            except binascii.Error:
                break
        yield b"".join(lines)


def _quoted(raw: bytes) -> Iterator[bytes]:
    """The lines of a quotation, without its marks."""
    if lines := _QUOTED.findall(raw):
        yield b"\n".join(lines)
