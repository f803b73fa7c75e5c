"""Clients that hold a server up: silent connections, forms half-sent or a byte a second, readers who do not read."""

import selectors
import socket
import threading
import time
from dataclasses import dataclass, field

FORM = (
    b"POST /told HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 200\r\n\r\n"
)
LARGE = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class SlowClient:
    """One connection, and what the server did with it."""

    socket: socket.socket
    kind: str
    began: float
    answer: bytes = b""
    closed: float | None = None
    """After how many seconds the server closed the connection."""


@dataclass
class Crowd:
    """Slow clients that hold on until the server lets them go; run() blocks, start() does it in a thread."""

    port: int
    silent: int = 2000
    forms: int = 20
    readers: int = 20
    large: bytes = LARGE
    clients: list[SlowClient] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def gather(self) -> None:
        """Open all connections; those that the server's backlog does not take stay out."""
        for _ in range(self.silent):
            self._open("silent")
        for number in range(self.forms):
            self._open("half a form" if number % 2 else "a byte a second", FORM + b"choice=")
        for _ in range(self.readers):
            self._open("reads nothing", self.large * 20, small=True)

    def _open(self, kind: str, begin: bytes = b"", *, small: bool = False) -> None:
        client = socket.socket()
        client.settimeout(2)
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            client.connect(("127.0.0.1", self.port))
            if begin:
                client.sendall(begin)
        except OSError:
            client.close()
            return
        client.setblocking(False)
        self.clients.append(SlowClient(client, kind, time.monotonic()))

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self.hold, daemon=True)
        thread.start()
        return thread

    def hold(self) -> None:
        """Send the dripping forms, and note which connections the server closes, until `over` is set."""
        with selectors.DefaultSelector() as ready:
            for client in self.clients:
                if client.kind != "reads nothing":
                    ready.register(client.socket, selectors.EVENT_READ, client)
            drip = time.monotonic() + 1
            while not self.over.is_set():
                for key, _ in ready.select(0.1):
                    if self._read(key.data):
                        ready.unregister(key.fileobj)
                if time.monotonic() >= drip:
                    drip += 1
                    self._drip()

    def _read(self, client: SlowClient) -> bool:
        """Whether the server has closed the connection."""
        try:
            got = client.socket.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            got = b""
        client.answer += got
        if not got:
            client.closed = time.monotonic() - client.began
        return not got

    def _drip(self) -> None:
        for client in self.clients:
            if client.closed is not None:
                continue
            try:
                if client.kind == "a byte a second":
                    client.socket.send(b"x")
                elif client.kind == "reads nothing" and client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    client.closed = time.monotonic() - client.began
            except OSError:
                client.closed = time.monotonic() - client.began

    def leave(self) -> None:
        self.over.set()
        for client in self.clients:
            client.socket.close()

    def of(self, kind: str) -> list[SlowClient]:
        return [client for client in self.clients if client.kind == kind]


def ask(port: int, request: bytes, patience: float) -> tuple[float, bytes]:
    """(seconds, answer) of one request on a connection of its own; without an answer in time, an empty one."""
    began = time.monotonic()
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), patience) as client:
            client.sendall(request)
            while not _whole(answer):
                client.settimeout(max(0.01, patience - (time.monotonic() - began)))
                got = client.recv(65536)
                if not got:
                    break
                answer += got
    except OSError:
        return time.monotonic() - began, b""
    return time.monotonic() - began, answer if _whole(answer) else b""


def _whole(answer: bytes) -> bool:
    head, gap, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return bool(gap) and len(body) >= int(length or 0)
