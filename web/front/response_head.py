"""The head of an answer: its status line and headers, and how the client learns where the body ends (RFC 9112 6.3)."""

from email.utils import formatdate

from web.front.request import Request

_THE_FRONT_S = ("connection", "transfer-encoding", "keep-alive")
"""Headers that are the connection's and not the application's."""


class Head:
    """What the application says of its answer, as it goes over the wire."""

    def __init__(
        self, request: Request, status: str, headers: list[tuple[str, str]], length: int | None, *, keep_alive: bool
    ) -> None:
        """`length` is the body's when all of it is known. `keep_alive` is what the client and the front agree on."""
        self.keep_alive = keep_alive
        """Whether the connection can be used again after the answer."""
        self.left: int | None = None
        """How many bytes of the body may follow, if that is told."""
        self.chunks = False
        self._request = request
        code = int(status[:3])
        self._lines = [f"HTTP/1.1 {status}", f"Date: {formatdate(usegmt=True)}"]
        told = self._take(headers, code)
        length = length if told is None else told
        if request.method == "HEAD" or code in (204, 304) or code < 200:
            self.left = 0
            if request.method == "HEAD" and length and told is None:
                self._lines.append(f"Content-Length: {length}")
        else:
            self._delimit(length, told is not None)

    def _take(self, headers: list[tuple[str, str]], code: int) -> int | None:
        """Keep the application's headers; the Content-Length among them."""
        told = None
        for name, value in headers:
            lower = name.lower()
            if lower == "content-length":
                told = int(value)
                if code == 204:
                    continue
            elif lower in _THE_FRONT_S:
                continue
            self._lines.append(f"{name}: {value}")
        return told

    def _delimit(self, length: int | None, told: bool) -> None:
        if length is not None:
            self.left = length
            if not told:
                self._lines.append(f"Content-Length: {length}")
        elif self._request.version == "1.1":
            self.chunks = True
            self._lines.append("Transfer-Encoding: chunked")
        else:
            self.keep_alive = False  # its end is the end of the connection

    def encoded(self) -> bytes:
        lines = self._lines
        if not self.keep_alive:
            lines.append("Connection: close")
        elif self._request.version == "1.0":
            lines.append("Connection: keep-alive")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
