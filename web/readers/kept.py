"""Kept pages: the bytes of what every reader without own votes sees, for as long as their version stands.

Looking one up asks nobody: no database, no clock but the monotonic one. The version is polled by a thread (`watch`).
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import parse_qsl
from zlib import crc32

from web import headers, origins
from web.readers import negotiation, static_files
from web.readers.negotiation import Asked, Coding, Headers, KeptAnswer, compressed
from web.readers.places import Pieces

MOST_BYTES = 16 * 1024 * 1024
"""What one process keeps at most, however large the catalog is: some six hundred pages."""
TRUSTED_SECONDS = 600.0
"""How long pages are shown while the database cannot tell whether they are still good (decision 23)."""
_LONGEST_QUERY = 200
_OVERHEAD = 2_000
"""About what a kept page takes beside its bytes."""


class Known(NamedTuple):
    """The version that stands: of all that pages show, and of all but the tallies."""

    version: str
    content: str


@dataclass(slots=True)
class Copy:
    """One page: in pieces, for readers with votes, and as everybody else gets it. It is compressed when first asked."""

    pieces: Pieces
    plain: bytes
    version: str = ""
    size: int = 0
    gzip: bytes | None = None

    @classmethod
    def of(cls, pieces: Pieces) -> "Copy":
        plain = pieces.shared()
        return cls(pieces, plain, size=2 * len(plain) + len(plain) // 3 + _OVERHEAD)

    def body(self, coding: Coding) -> bytes:
        if coding == "identity":
            return self.plain
        if self.gzip is None:
            self.gzip = compressed(
                self.plain, 3
            )  # the fourth level takes half as long again, for a fifteenth of the bytes
        return self.gzip


class Store:
    """The kept pages of one process. Without a known version it keeps nothing and finds nothing."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes, self.bytes = most_bytes, 0
        self.copies: OrderedDict[str, Copy] = OrderedDict()
        """All of the content that stands. Those of older tallies wait for new figures: they are not shown."""
        self._known: Known | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    # ---- the version -----------------------------------------------------------------------------------------

    def confirm(self, known: Known) -> None:
        """This version stands now; pages of other content are forgotten."""
        with self._lock:
            if self._known is None or self._known.content != known.content:
                self.copies.clear()
                self.bytes = 0
            self._known = known
            self._until = time.monotonic() + TRUSTED_SECONDS

    def forget(self) -> None:
        """Show nothing that is kept until a version is known again."""
        self._known = None

    @property
    def known(self) -> Known | None:
        """What stands now, None while nobody knows: the database has not told for too long."""
        known = self._known
        return known if known is not None and time.monotonic() < self._until else None

    # ---- pages -----------------------------------------------------------------------------------------------

    def get(self, known: Known, key: str) -> Copy | None:
        """The page as it is now."""
        found = self.get_older(known, key)
        return found if found is not None and found.version == known.version else None

    def get_older(self, known: Known, key: str) -> Copy | None:
        """The page with the figures of these or of older tallies."""
        with self._lock:
            found = self.copies.get(key) if self._known is not None and self._known.content == known.content else None
            if found is not None:
                self.copies.move_to_end(key)
        return found

    def keep(self, known: Known, key: str, copy: Copy) -> None:
        """Keep a page under the version that stood before its first question was asked."""
        copy.version = known.version
        with self._lock:
            if copy.size > self.most_bytes or self._known is None or self._known.content != known.content:
                return
            before = self.copies.pop(key, None)
            self.bytes += copy.size - (before.size if before else 0)
            self.copies[key] = copy
            while self.bytes > self.most_bytes:
                self.bytes -= self.copies.popitem(last=False)[1].size

    def find(self, method: str, path: str, query: str, asked: Asked, *, here: bool = False) -> KeptAnswer | None:
        """The answer to this request, if it is a static file, or a page that is kept and without its reader's votes.

        It takes microseconds and waits for nobody. `path` is decoded. `here` tells that the outbox is shown to this
        reader (`outbox.is_shown`).
        """
        host = asked.get("host")
        if not host or not origins.answers_to(host):
            return None  # Flask refuses it in words
        if path.startswith(static_files.PREFIX):
            return static_files.find(method, path, query, asked)
        known = self.known
        if known is None or method not in ("GET", "HEAD"):
            return None
        cookie = asked.get("cookie")
        if cookie and "voter" in cookie:  # whatever the cookie's prefix is; whose votes they are, the database knows
            return None
        key = key_of(path, query, here)
        copy = self.get(known, key) if key else None
        if key is None or copy is None:
            return None
        coding = negotiation.coding(asked.get("accept-encoding"))
        if coding == "gzip" and copy.gzip is None:
            return None  # compressing takes longer than anybody may wait here
        told = headers_of(private=bool(cookie))
        return negotiation.answered(method, asked, etag_of(known, key, coding), coding, copy.body(coding), told)


def key_of(path: str, query: str, here: bool) -> str | None:
    """Under what a page is kept; None for a query that leads to an error. Parameters that no page knows are not in it,
    so that nobody can fill the memory with them."""
    if "?" in path:
        return None  # `/archive%3Fpage=2` is no page, and would be taken for the key of one
    if path == "/archive" and ("page" in query or "%" in query):  # `%70age=2` is `page=2`: decoded as Flask does it
        if len(query) > _LONGEST_QUERY:
            return None
        number = next((value for name, value in parse_qsl(query, True) if name == "page"), None)
        if number is not None:
            if not (number.isascii() and number.isdigit() and len(number) <= 6):
                return None
            path = f"/archive?page={int(number)}"
    return f"here {path}" if here else path


def etag_of(known: Known, key: str, coding: Coding) -> str:
    """The ETag of a page of that version. It names the page too: by another one's ETag nobody has this one."""
    return tag(f"{known.version}.{crc32(key.encode()):08x}", coding)


def tag(name: str, coding: Coding) -> str:
    return f'"{name}.{coding[0]}"'


def print_of(body: bytes) -> str:
    """A short hash of these bytes."""
    return sha256(body).hexdigest()[:20]


def headers_of(*, private: bool) -> Headers:
    """The headers of a page, but for those that depend on its coding."""
    return [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", headers.PRIVATE if private else headers.SHARED),
        ("Vary", headers.VARY),
        *headers.security().items(),
    ]
