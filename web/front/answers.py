"""What the front says by itself, in plain words: refusals, and that it is alive."""

from http import HTTPStatus

RETRY_AFTER = 5
"""Seconds after which somebody who was refused for want of room may ask again."""
_SAID = {
    400: "This is no request that we can read.",
    408: "The request did not come in time. Please send it again.",
    413: "That is larger than any form here allows.",
    414: "The address is too long.",
    417: "We expect nothing but 100-continue.",
    431: "The request has too many headers, or too long ones.",
    500: "That was our mistake, and we’ve logged it. Please try again in a minute.",
    501: "We do not know that method or coding.",
    503: "More people are asking for pages than we can serve just now. Please try again in a few seconds.",
    505: "We speak HTTP/1.1 and HTTP/1.0.",
    507: "We have no room for that just now. Please try again later.",
}


class Refused(Exception):
    """The request is not taken; the connection is closed after the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"


def plain(status: int, *, close: bool, head_only: bool = False) -> bytes:
    """A whole answer with one sentence; a 503 names the seconds to wait."""
    body = (_SAID[status] + "\n").encode()
    head = status_line(status)
    if status == 503:
        head += f"Retry-After: {RETRY_AFTER}\r\n"
    head += (
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
    )
    if close:
        head += "Connection: close\r\n"
    return head.encode("ascii") + b"\r\n" + (b"" if head_only else body)


ALIVE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\nCache-Control: no-store\r\n",
    b"ok\n",
)
"""What /healthz says, as the loop sends it: this process answers, whatever its threads are at."""
OPTIONS = (b"HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, POST, OPTIONS\r\n", b"")
"""To `OPTIONS *` (RFC 9110 9.3.7)."""
