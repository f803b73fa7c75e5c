"""What a client sends, cut into whole requests: a head of limited size, and a body as long as the head says."""

from collections.abc import Callable

from web.front.answers import Refused
from web.front.request import HEAD_END, MOST_HEAD, MOST_TARGET, Request
from web.front.spool import Body


class Incoming:
    """The bytes of one connection that no request has been made of yet."""

    __slots__ = ("_buffer", "_largest_body", "_searched", "asks_for_head", "body", "request")

    def __init__(self, largest_body: Callable[[str], int]) -> None:
        """`largest_body` says for a path how many bytes a body may have there."""
        self._largest_body = largest_body
        self._buffer = b""
        self._searched = 0
        """Up to where the buffer is known to hold no end of a head."""
        self.asks_for_head = False
        """Whether the last head was a HEAD request's, whose answer has no body even if it is a refusal."""
        self.request: Request | None = None
        """The request whose body is on its way."""
        self.body: Body | None = None

    def __len__(self) -> int:
        return len(self._buffer)

    def add(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data

    def next(self) -> tuple[Request, Body | None] | None:
        """The next whole request, with its body if it has one; None while more has to come. Raises Refused."""
        if self.request is None:
            head = self._cut_head()
            if head is None:
                return None
            self.asks_for_head = head.startswith(b"HEAD ")
            request = Request()
            request.parse(head)
            if not (request.length or request.chunked):
                return request, None
            self._begin_body(request)
        return self._read_body()

    def held(self) -> int:
        """The bytes of it that are in memory."""
        return len(self._buffer) + (self.body.in_memory if self.body is not None else 0)

    def has_begun(self) -> bool:
        """Whether a part of the body has come without being asked for."""
        return self.body is not None and self.body.size > 0

    def close(self) -> None:
        self._buffer, self.request = b"", None
        if self.body is not None:
            self.body.close()
            self.body = None

    # ---- the head ----------------------------------------------------------------------------------------------

    def _cut_head(self) -> bytes | None:
        if not self._searched:
            self._buffer = self._buffer.lstrip(b"\r\n")  # empty lines before a request are passed over (RFC 9112 2.2)
        if not self._buffer:
            return None
        found = HEAD_END.search(self._buffer, max(0, self._searched - 2))
        if found is None:
            self._may_become_a_head()
            self._searched = len(self._buffer)
            return None
        if found.end() > MOST_HEAD:
            raise Refused(self._which_is_too_long())
        head, self._buffer, self._searched = self._buffer[: found.end()], self._buffer[found.end() :], 0
        return head

    def _may_become_a_head(self) -> None:
        """Refuse what is too long already, or begins as no request does: what speaks TLS, say, is told so at once."""
        if len(self._buffer) > MOST_HEAD:
            raise Refused(self._which_is_too_long())
        if not all(33 <= letter < 127 for letter in self._buffer[:40].partition(b" ")[0]):
            raise Refused(400)

    def _which_is_too_long(self) -> int:
        line, gap, _ = self._buffer.partition(b"\n")
        return 431 if gap and len(line) <= MOST_TARGET else 414

    # ---- the body ----------------------------------------------------------------------------------------------

    def _begin_body(self, request: Request) -> None:
        most = self._largest_body(request.path)
        if request.length > most:
            raise Refused(413)
        self.request, self.body = request, Body(most)
        request.receive = self._keep

    def _keep(self, piece: bytes) -> None:
        assert self.body is not None
        try:
            if not self.body.take(piece):
                raise Refused(413)
        except OSError:  # the disk is full
            raise Refused(507) from None

    def _read_body(self) -> tuple[Request, Body | None] | None:
        """What follows a body of known length begins the next request; nothing follows a chunked one."""
        request, body = self.request, self.body
        assert request is not None
        assert body is not None
        if not self._buffer:
            return None
        if request.chunked:
            data, self._buffer = self._buffer, b""
        else:
            left = request.length - body.size
            data, self._buffer = self._buffer[:left], self._buffer[left:]
        request.feed(data)
        if not request.body_whole:
            return None
        if request.chunked:
            request.keep_alive = False
        self.request = self.body = None
        return request, body
