"""One request as it came over the wire: read by llhttp, checked against RFC 9112, and turned into a WSGI environ."""

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from httptools import HttpParserCallbackError, HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade
from httptools import HttpRequestParser as Parser

from web.front.answers import Refused

MOST_HEAD = 32 * 1024
"""Bytes of a request line and its headers together."""
MOST_TARGET = 8 * 1024
MOST_HEADERS = 100
HEAD_END = re.compile(rb"\n\r?\n")
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n\0]*(?=\r\n)", re.IGNORECASE)
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} ")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)\Z", re.IGNORECASE)
_AUTHORITY = re.compile(rb"[A-Za-z0-9.\-_~%!$&'()*+,;=:\[\]]*\Z")


class Request:
    """A request; its attributes are whole once `parse` has returned. The parser calls the methods named `on_…`."""

    __slots__ = (
        "body_whole", "chunked", "count", "expects", "headers", "host", "keep_alive", "length", "method", "parser",
        "path", "query", "receive", "target", "version", "whole",
    )  # fmt: skip

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.target = b""
        self.whole = False
        """Whether the head has been read."""
        self.body_whole = False
        self.length = self.count = 0
        self.chunked = False
        self.expects = False
        self.host: str | None = None
        self.receive: Callable[[bytes], object] = _nothing
        """Takes each piece of the body."""

    def parse(self, head: bytes) -> None:
        """Read the head, which ends with an empty line. Raises Refused."""
        parser = self.parser = Parser(self)
        # HTTP/1.1 goes on (RFC 9110 7.8). The parser would read no body after this header, which curl and Java send.
        heard, upgrades = _UPGRADE.subn(b"", head) if b"pgrade" in head.lower() else (head, 0)
        try:
            parser.feed_data(heard)
        except HttpParserUpgrade:  # CONNECT, which is no method of ours
            self.body_whole = True
        except HttpParserInvalidMethodError:
            raise Refused(501 if _METHOD.match(head) else 400) from None
        except HttpParserCallbackError as error:
            raise error.__context__ if isinstance(error.__context__, Refused) else Refused(400) from None
        except HttpParserError:
            raise Refused(400) from None
        if not self.whole:
            raise Refused(400)
        if upgrades:
            self.keep_alive = False
        self._check()

    def _check(self) -> None:
        headers = self.headers
        if self.version not in ("1.1", "1.0"):
            raise Refused(505)
        if self.host is None and self.version == "1.1":
            raise Refused(400)
        if "transfer-encoding" in headers:
            if self.version == "1.0" or "content-length" in headers:
                raise Refused(400)  # two lengths: a proxy before us may have believed the other one
            if headers["transfer-encoding"].strip().lower() != "chunked":
                raise Refused(501)
            self.chunked = True
        elif "content-length" in headers:
            self.length = int(headers["content-length"].strip().lstrip("0") or "0")  # Python reads 4,300 digits
        if "expect" in headers and self.version == "1.1":
            if headers["expect"].strip().lower() != "100-continue":
                raise Refused(417)
            self.expects = True
        if self.method == "CONNECT":
            raise Refused(501)
        self._split_target()

    def _split_target(self) -> None:
        target = self.target
        if absolute := _ABSOLUTE.match(target):  # RFC 9112 3.2.2: its authority replaces the Host header
            authority, target = absolute.groups()
            if not authority or b"@" in authority or not _AUTHORITY.match(authority):
                raise Refused(400)
            self.headers["host"] = authority.decode("ascii")
            target = target if target.startswith(b"/") else b"/" + target
        if target == b"*" and self.method == "OPTIONS":
            self.path, self.query = "*", ""
            return
        if not target.startswith(b"/") or b"#" in target:
            raise Refused(400)
        path, _, query = target.partition(b"?")
        if b"%" in path:
            path = unquote_to_bytes(path)
            if b"\0" in path:
                raise Refused(400)
        self.path, self.query = path.decode("latin-1"), query.decode("latin-1")

    def feed(self, data: bytes) -> None:
        """Read a piece of the body. Raises Refused."""
        try:
            self.parser.feed_data(data)
        except HttpParserCallbackError as error:
            raise error.__context__ if isinstance(error.__context__, Refused) else Refused(400) from None
        except HttpParserError:
            if not self.body_whole:  # what follows a whole chunked body is not read: the connection is closed
                raise Refused(400) from None

    # ---- called by the parser ------------------------------------------------------------------------------------

    def on_url(self, piece: bytes) -> None:
        self.target += piece
        if len(self.target) > MOST_TARGET:
            raise Refused(414)

    def on_header(self, raw_name: bytes, raw_value: bytes) -> None:
        if self.whole:
            return  # a trailer of a chunked body adds nothing to the head (RFC 9110 6.5.1)
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1")
        headers = self.headers
        if name == "host":
            if self.host is not None or not _AUTHORITY.match(raw_value):
                raise Refused(400)
            self.host = value
        self.count += 1
        if self.count > MOST_HEADERS:
            raise Refused(431)
        if "_" in name:
            return  # X_Forwarded_For would become the same WSGI variable as X-Forwarded-For
        if name in headers:
            if name in ("content-length", "transfer-encoding", "content-type", "authorization"):
                raise Refused(400)
            value = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{value}"
        headers[name] = value

    def on_headers_complete(self) -> None:
        parser, self.whole = self.parser, True
        self.method = parser.get_method().decode("ascii")
        self.version = parser.get_http_version()
        self.keep_alive = parser.should_keep_alive() and not parser.should_upgrade()

    def on_body(self, piece: bytes) -> None:
        if not self.body_whole:
            self.receive(piece)

    def on_message_complete(self) -> None:
        self.body_whole = True


def _nothing(_piece: bytes) -> None:
    return
