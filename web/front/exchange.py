"""One request's way through the application: a thread runs WSGI (PEP 3333), and the loop gets the answer's bytes."""

import logging
import re
from collections.abc import Callable, Iterable
from time import monotonic
from types import TracebackType
from typing import Any
from wsgiref.types import WSGIApplication

from web.front.request import Request
from web.front.response_head import Head
from web.front.spool import Body, Gone, Outgoing
from web.front.wsgi_environ import environ_of

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
        head = Head(self.request, self._status, self._headers, length, keep_alive=self.keep_alive)
        self.keep_alive, self._left, self._chunks = head.keep_alive, head.left, head.chunks
        return head.encoded()
