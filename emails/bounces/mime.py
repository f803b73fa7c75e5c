"""Takes a mail apart into its parts, within fixed bounds, whatever its bytes are.

The standard library's parser is not used: mails that come back are often cut off or malformed, and thousands of nested
parts cost it minutes or its recursion limit. Here each part is a slice, found by searching for the boundary.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from emails.bounces import charsets, encoded

_PARTS = 100
_DEPTH = 8
_HEADER_BYTES = 128 * 1024
_TEXT_BYTES = 128 * 1024

RETURNED = {
    "message/rfc822", "message/global", "message/partial", "text/rfc822-headers", "text/rfc822-header",
    "text/rfc822", "message/global-headers", "message/rfc822-headers", "message/news",
}  # fmt: skip
"""Content types under which a letter, or its header alone, is returned."""

_FIELD = re.compile(rb"([!-9;-~]{1,80})[ \t]*:[ \t]*(.*)", re.DOTALL)
_TYPE = re.compile(r"\s*([\w.+-]{1,60}/[\w.+-]{1,60})", re.ASCII)
_USED = re.compile(rb"^--([!-~]{1,200})[ \t]*\nContent-", re.MULTILINE | re.IGNORECASE)


@dataclass
class Part:
    """One part of a mail, or the whole of it. Its parts are in `parts` unless it is a returned letter or a leaf."""

    headers: list[tuple[str, str]]
    body: bytes
    raw: bytes = b""
    parts: list["Part"] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """The values of each header field with this lower-case name."""
        return [value for each, value in self.headers if each == name]

    def get(self, name: str) -> str:
        """The first value of that name, or ""."""
        return next((value for each, value in self.headers if each == name), "")

    @cached_property
    def type(self) -> str:
        found = _TYPE.match(self.get("content-type"))
        return found[1].lower() if found else "text/plain"

    def param(self, name: str) -> str:
        """A parameter of Content-Type, or ""."""
        pattern = rf"\b{name}\*?(?:0\*?)?\s*=\s*(?:\"([^\"]{{1,200}})\"|([^\s;\"]{{1,200}}))"
        found = re.search(pattern, self.get("content-type")[:2000], re.IGNORECASE)
        return (found[1] or found[2]) if found else ""

    @cached_property
    def content(self) -> bytes:
        """The body without its transfer encoding, as much of it as is read."""
        body = self.body[: 2 * _TEXT_BYTES]
        match self.get("content-transfer-encoding").strip().lower():
            case "base64":
                return encoded.from_base64(body)[:_TEXT_BYTES]
            case "quoted-printable":
                return binascii.a2b_qp(body)[:_TEXT_BYTES]
        return body[:_TEXT_BYTES]

    @cached_property
    def text(self) -> str:
        return charsets.decoded(self.content, self.param("charset"))

    def leaves(self) -> Iterator["Part"]:
        """The parts without parts, in order; a returned letter is one of them."""
        if not self.parts:
            yield self
        for each in self.parts:
            yield from each.leaves()


def parse(raw: bytes) -> Part:
    """The mail and its parts."""
    raw = raw if b"\n" in raw else raw.replace(b"\r", b"\n")
    return _parse(raw.replace(b"\r\n", b"\n").lstrip(b"\xef\xbb\xbf\n\r \t"), _DEPTH, [_PARTS])


def parse_header(content: bytes) -> Part:
    """A returned letter, which may be its header alone; its parts are not looked at."""
    return _parse(content.replace(b"\r\n", b"\n").lstrip(b"\n\r \t"), 0, [0])


def _parse(raw: bytes, depth: int, left: list[int]) -> Part:
    head, body = _divide(raw)
    part = Part(list(_fields(head)), body, raw)
    boundary = part.param("boundary") if part.type.startswith("multipart/") else ""
    if (
        not part.get("content-type")
        and body.startswith((b"--", b"This is a MIME"))
        and _USED.search(body, 0, _HEADER_BYTES)
    ):
        part.type = "multipart/mixed"  # whose header got lost
    if part.type.startswith("multipart/") and depth:
        for each in _slices(body, _in_use(boundary.encode("latin-1", "replace"), body)):
            if left[0] <= 0:
                break
            left[0] -= 1
            part.parts.append(_parse(each, depth - 1, left))
    return part


def _in_use(boundary: bytes, body: bytes) -> bytes:
    """The boundary, or the one that the body uses, if a relay has lost or rewritten it in the header."""
    if boundary and b"--" + boundary in body:
        return boundary
    used = _USED.search(body, 0, _HEADER_BYTES)
    return used[1] if used else boundary


def _divide(raw: bytes) -> tuple[bytes, bytes]:
    if raw.startswith(b"\n"):
        return b"", raw[1:]
    head, _, body = raw.partition(b"\n\n")
    first = head[:200].partition(b"\n")[0]
    if not _FIELD.match(first) and not first.startswith(b"From "):
        return b"", raw
    return head[:_HEADER_BYTES], body


def _fields(head: bytes) -> Iterator[tuple[str, str]]:
    lines: list[bytes] = []
    for line in head.split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            lines.append(line)
        else:
            yield from _field(lines)
            lines = [line]
    yield from _field(lines)


def _field(lines: list[bytes]) -> Iterator[tuple[str, str]]:
    if found := _FIELD.match(b" ".join(line.strip(b" \t\r") for line in lines)):
        yield found[1].decode("ascii").lower(), charsets.decoded(found[2], "")


def _slices(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between the boundaries; of a mail that was cut off, the last piece too."""
    body = b"\n" + body
    if not boundary:
        return
    line = b"\n--" + boundary
    at, start = body.find(line), None
    for _ in range(4 * _PARTS):
        if at < 0:
            break
        end = at + len(line)
        after = body[end : end + 200].partition(b"\n")[0].strip()
        if after in (b"", b"--"):  # else it is a longer boundary, that of a part in here
            if start is not None:
                yield body[start:at]
            if after:
                return
            start = body.find(b"\n", end) + 1 or len(body)
            end = start - 1
        at = body.find(line, end)
    if start is not None:
        yield body[start:]
