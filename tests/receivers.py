"""Receivers of webhooks on loopback: a script answers each connection, as politely or as badly as a test wants."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Script = Callable[[socket.socket, "Receiver"], None]


@dataclass
class Receiver:
    """A server on a free port. `heard` holds each request's bytes; `over` is set when the test is."""

    script: Script
    listener: socket.socket
    port: int
    context: ssl.SSLContext | None = None
    heard: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """The server names (SNI) that clients asked for."""
    over: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    """Set it to let those go that hang."""
    at_once: int = 0
    most_at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, host: str = "127.0.0.1", path: str = "/hook") -> str:
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    def serve(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        with contextlib.suppress(OSError), connection:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.script(connection, self)
        with self._lock:
            self.at_once -= 1


def hear(connection: socket.socket, receiver: Receiver) -> bytes:
    """Read one request whole."""
    connection.settimeout(20)
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536) or b"\r\n\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length and (more := connection.recv(65_536)):
        body += more
    receiver.heard.append(head + b"\r\n\r\n" + body)
    return body


def answering(status: str = "204 No Content", headers: str = "", body: bytes = b"") -> Script:
    """Answer each request so."""

    def script(connection: socket.socket, receiver: Receiver) -> None:
        hear(connection, receiver)
        length = "" if status.startswith("204") else f"Content-Length: {len(body)}\r\n"
        connection.sendall(f"HTTP/1.1 {status}\r\n{headers}{length}\r\n".encode() + body)

    return script


def sending(*parts: bytes, every: float = 0.0, endless: bool = False) -> Script:
    """Answer with these bytes as they are, one part after the other, perhaps the last one for ever."""

    def script(connection: socket.socket, receiver: Receiver) -> None:
        hear(connection, receiver)
        for part in parts:
            connection.sendall(part)
            time.sleep(every)
        while endless and not receiver.over.is_set():
            connection.sendall(parts[-1])
            time.sleep(every)

    return script


def hanging(connection: socket.socket, receiver: Receiver) -> None:
    """Take the request and do not answer; let go, the receiver hangs up."""
    hear(connection, receiver)
    receiver.go.wait(60)


@contextmanager
def receiving(script: Script, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Receiver]:
    """A receiver that runs meanwhile."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=64) as listener:
        receiver = Receiver(script, listener, listener.getsockname()[1], context)
        if context:
            context.sni_callback = lambda _, name, __: receiver.names.append(name)
        threading.Thread(target=receiver.serve, daemon=True).start()
        try:
            yield receiver
        finally:
            receiver.over.set()
            receiver.go.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
