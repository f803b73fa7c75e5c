"""One request's way through the application: a thread runs WSGI (PEP 3333), and the loop gets the answer's bytes."""

import logging
import re
import sys
from collections.abc import Callable, Iterable
from email.utils import formatdate
from time import monotonic
from types import TracebackType
from typing import Any
from wsgiref.types import WSGIApplication

from web.front.request import Request
from web.front.spool import Body, Gone, Outgoing

log = logging.getLogger(__name__)
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
_FORBIDDEN = re.compile(r"[\r\n\0]")


class Exchange:
    """A whole request and its answer. The thread calls `run`; everything else is called in the loop."""

    def __init__(
        self,
        request: Request,
        body: Body | None,
        peer: str,
        app: WSGIApplication,
        shared: dict[str, Any],
        tell: Callable[["Exchange"], object],
        failed: Callable[["Exchange", int], object],
    ) -> None:
        """`tell` and `failed` are called in the thread: there is more to send, or nothing can be sent."""
        self.at = self.moved = monotonic()
        self.request, self.body, self.peer, self.app, self.shared = request, body, peer, app, shared
        self.tell, self.failed = tell, failed
        self.out = Outgoing()
        self.keep_alive = request.keep_alive
        """Whether the connection can be used again after the answer."""
        self._status, self._headers = "", list[tuple[str, str]]()
        self._left: int | None = None
        """How many bytes of the body are still to come, by Content-Length."""
        self.begun = False
        """Whether the head of the answer is on its way."""
        self._chunks = False

    def refuse(self) -> None:
        self.failed(self, 503)

    def run(self) -> None:
        if self.out.gone and self.request.method in ("GET", "HEAD"):
            return  # nobody is there to read it
        try:
            self._answer()
        except Gone:
            pass
        except Exception:
            log.exception("a request failed")
            self.failed(self, 500)
        finally:
            if self.body is not None:
                self.body.close()

    def _answer(self) -> None:
        pieces = self.app(environ_of(self.request, self.body, self.shared, self.peer), self._start)
        try:
            if isinstance(pieces, list | tuple) and len(pieces) == 1:
                self._finish(pieces[0])
            else:
                self._stream(pieces)
        finally:
            if close := getattr(pieces, "close", None):
                close()

    def _stream(self, pieces: Iterable[bytes]) -> None:
        """Send each piece as it comes; but one whose length the application has told goes out whole, in one write."""
        kept = b""
        for piece in pieces:
            if kept or not self._length_is_told():
                self._write(kept + piece)
                kept = b""
            else:
                kept = piece
        self._finish(kept)

    def _length_is_told(self) -> bool:
        return not self.begun and any(name.lower() == "content-length" for name, _ in self._headers)

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        """PEP 3333's start_response."""
        if exc_info and exc_info[1]:
            try:
                if self.begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._status:
            raise AssertionError("start_response was called twice")
        if _FORBIDDEN.search(status) or any(_FORBIDDEN.search(name + value) for name, value in headers):
            raise ValueError("a line break in a header")
        self._status, self._headers = status, list(headers)
        return self._write

    def _write(self, piece: bytes) -> None:
        """Hand a piece to the loop, after the head."""
        self.moved = monotonic()
        if not piece:
            return
        data = b""
        if not self.begun:
            data = self._head(None)
        if self.out.put(data + self._framed(piece)):
            self.tell(self)

    def _finish(self, piece: bytes) -> None:
        data = b"" if self.begun else self._head(len(piece))
        if piece:
            data += self._framed(piece)
        if self._chunks:
            data += b"0\r\n\r\n"
        elif self._left:
            log.error("an answer ended %s bytes before its Content-Length", self._left)
            self.keep_alive = False
        if data:
            self.out.put(data)
        self.out.over = True
        self.tell(self)

    def _framed(self, piece: bytes) -> bytes:
        if self._chunks:
            return b"%x\r\n%s\r\n" % (len(piece), piece)
        if self._left is not None:
            piece = piece[: self._left]
            self._left -= len(piece)
        return piece

    def _head(self, length: int | None) -> bytes:
        """The status line and headers; `length` is the body's when all of it is known."""
        self.begun = True
        if not self._status:
            raise AssertionError("start_response was not called")
        code = int(self._status[:3])
        lines, told = [f"HTTP/1.1 {self._status}", f"Date: {formatdate(usegmt=True)}"], False
        for name, value in self._headers:
            lower = name.lower()
            if lower == "content-length":
                told, length = True, int(value)
                if code == 204:
                    continue
            elif lower in ("connection", "transfer-encoding", "keep-alive"):
                continue  # the connection is the front's
            lines.append(f"{name}: {value}")
        bare = self.request.method == "HEAD" or code in (204, 304) or code < 200
        if bare:
            self._left = 0
        elif length is not None:
            self._left = length
            if not told:
                lines.append(f"Content-Length: {length}")
        elif self.request.version == "1.1":
            self._chunks = True
            lines.append("Transfer-Encoding: chunked")
        else:
            self.keep_alive = False  # its end is the end of the connection
        if not self.keep_alive:
            lines.append("Connection: close")
        elif self.request.version == "1.0":
            lines.append("Connection: keep-alive")
        if bare and self.request.method == "HEAD" and length is not None and not told and length:
            lines.append(f"Content-Length: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def environ_of(request: Request, body: Body | None, shared: dict[str, Any], peer: str) -> dict[str, Any]:
    """The WSGI environ of a whole request; `shared` holds what all requests of a process share."""
    environ = shared.copy()
    environ["REQUEST_METHOD"] = request.method
    environ["PATH_INFO"] = request.path
    environ["QUERY_STRING"] = request.query
    environ["SERVER_PROTOCOL"] = f"HTTP/{request.version}"
    environ["REMOTE_ADDR"] = peer
    environ["wsgi.input"] = (body or Body(0)).read_from()
    for name, value in request.headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name not in ("content-length", "transfer-encoding"):
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    if body is not None:
        environ["CONTENT_LENGTH"] = str(body.size)
    return environ


def shared_environ(name: str, port: int, *, processes: int) -> dict[str, Any]:
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": name,
        "SERVER_PORT": str(port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": processes > 1,
        "wsgi.run_once": False,
    }
