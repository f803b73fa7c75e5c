"""A load from one process: requests made beforehand, sent over a few kept connections as fast as they are answered."""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress


class Line:
    """One kept connection, with one request on its way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""

    def next(self, requests: Iterator[bytes]) -> bool:
        for request in requests:
            self.answer = b""
            self.socket.sendall(request)
            return True
        return False

    def whole(self) -> bool:
        """Read what is there; True once the answer is complete."""
        self.answer += self.socket.recv(65536)
        head, gap, body = self.answer.partition(b"\r\n\r\n")
        if not gap:
            return False
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return len(body) >= int(length or 0)


def get(path: str, cookie: str = "") -> bytes:
    """A page as a browser asks for it over a kept connection."""
    told = f"Cookie: {cookie}\r\n" if cookie else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n{told}\r\n".encode()


def post(path: str, form: str, cookie: str = "") -> bytes:
    """A form as a browser sends it from one of our own pages."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Sec-Fetch-Site: same-origin",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(form)}",
        *([f"Cookie: {cookie}"] if cookie else []),
    ]
    return ("\r\n".join(lines) + f"\r\n\r\n{form}").encode()


def rate(port: int, requests: Sequence[bytes], expect: bytes, connections: int = 16) -> float:
    """Answers a second over all requests; an error when an answer is not the expected one."""
    waiting = iter(requests)
    with selectors.DefaultSelector() as ready:
        lines = [Line(port) for _ in range(connections)]
        began = time.perf_counter()
        for line in lines:
            line.next(waiting)
            ready.register(line.socket, selectors.EVENT_READ, line)
        done = 0
        while done < len(requests):
            for key, _ in ready.select(30):
                if not key.data.whole():
                    continue
                if not key.data.answer.startswith(expect):
                    raise SystemExit(f"not the expected answer: {key.data.answer[:300]!r}")
                done += 1
                key.data.next(waiting)
        took = time.perf_counter() - began
    for line in lines:
        line.socket.close()
    return len(requests) / took


def wait_until_open(port: int, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
