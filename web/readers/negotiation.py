"""What a request's headers accept: content codings with their q-values, and whether it has the page already."""

import gzip
import re
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

Coding = Literal["gzip", "identity"]
Headers = list[tuple[str, str]]

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class Asked(Protocol):
    """A request's headers by their names in lower case. One that comes on several lines is given as one, joined."""

    def get(self, name: str, /) -> str | None: ...


class KeptAnswer(NamedTuple):
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes


@lru_cache(maxsize=256)
def coding(accept: str | None) -> Coding:
    """The coding to answer in (RFC 9110 12.5.3). Whoever refuses both gets the page as it is, which the RFC allows."""
    if not accept:
        return "identity"
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        weights[{"x-gzip": "gzip"}.get(name, name)] = _weight(parameters)
    others = weights.get("*")
    gzip = weights.get("gzip", others or 0.0)
    identity = weights.get("identity", 0.001 if others is None else min(others, 0.001))
    return "gzip" if gzip > 0 and gzip >= identity else "identity"


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def has(if_none_match: str | None, etag: str) -> bool:
    """Whether If-None-Match names this ETag, by the weak comparison (RFC 9110 13.1.2); `*` names every page."""
    if not if_none_match:
        return False
    given = if_none_match.strip()
    return given == "*" or (etag in given and etag in _TAG.findall(given))


def answered(method: str, asked: Asked, etag: str, coding: Coding, body: bytes, told: Headers) -> KeptAnswer:
    """The answer with these headers and its ETag; 304 to whoever has it already."""
    told.append(("ETag", etag))
    if has(asked.get("if-none-match"), etag):
        return KeptAnswer(304, [each for each in told if each[0] != "Content-Type"], b"")  # it has no content
    told.append(("Content-Length", str(len(body))))
    if coding == "gzip":
        told.append(("Content-Encoding", "gzip"))
    return KeptAnswer(200, told, b"" if method == "HEAD" else body)


def compressed(body: bytes, level: int = 6) -> bytes:
    """The same bytes at all times: no date stands in them."""
    return gzip.compress(body, level, mtime=0)
