"""One application over the interfaces of several servers: WSGI, and five threads behind ASGI and RSGI.

The bridges do what such a server leaves to its application: they wait ten seconds for a body, and refuse beyond a queue
of forty requests. `python -m tests.bench.front_bridges waitress|cheroot PORT` runs servers that have no such command.
"""

import asyncio
import io
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Response

from tests.web.front.applications import app
from web.readers.negotiation import KeptAnswer

BODY_SECONDS, MOST_WAITING = 10.0, 40
_threads: ThreadPoolExecutor | None = None
_waiting = 0


@app.get("/kept")
def kept() -> Response:
    """A page that a cache may keep."""
    return Response("x" * 12_000, headers={"Cache-Control": "public, max-age=60"})


class _Store:
    """Keeps that page as the site keeps its own, for the front alone: it is answered without a thread."""

    def find(self, method: str, path: str, query: str, asked: dict[str, str], *, here: bool) -> KeptAnswer | None:
        body = b"x" * 12_000
        return KeptAnswer(200, [("Content-Length", str(len(body)))], body) if path == "/kept" else None


app.extensions["kept pages"] = _Store()

Answer = tuple[int, list[tuple[str, str]], bytes]
FULL: Answer = (503, [("Retry-After", "5"), ("Content-Length", "0")], b"")
LATE: Answer = (408, [("Connection", "close"), ("Content-Length", "0")], b"")


def _ran(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Answer:
    """Run the WSGI application in this thread."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query, "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.multithread": True, "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    } | {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}  # fmt: skip
    began: list[Any] = []
    pieces = app(environ, lambda status, headers, _=None: began.extend((status, headers)))  # type: ignore[arg-type]
    data = b"".join(pieces)
    return int(began[0][:3]), began[1], data


async def _answered(read: Callable[[], Awaitable[bytes]], *request: Any) -> Answer:
    """Wait for the body, then for a thread, if not too many wait already."""
    global _threads, _waiting
    try:
        body = await asyncio.wait_for(read(), BODY_SECONDS)
    except TimeoutError:
        return LATE
    if _waiting >= MOST_WAITING:
        return FULL
    _threads = _threads or ThreadPoolExecutor(5)
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, _ran, *request, body)
    finally:
        _waiting -= 1


async def rsgi(scope: Any, protocol: Any) -> None:
    """Over granian's RSGI."""
    request = scope.method, scope.path, scope.query_string, dict(scope.headers.items())
    status, headers, body = await _answered(protocol, *request)
    protocol.response_bytes(status, headers, body)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Over ASGI."""

    async def read() -> bytes:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        return body

    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    status, told, body = await _answered(read, scope["method"], scope["path"], scope["query_string"].decode(), headers)
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in told]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def waitress(listener: socket.socket) -> None:
    """Tuned for slow clients."""
    from waitress import create_server  # type: ignore[import-not-found]

    create_server(
        app, sockets=[listener], threads=5, connection_limit=2000, channel_timeout=10, cleanup_interval=3,
        asyncore_use_poll=True,
    ).run()  # fmt: skip


def cheroot(listener: socket.socket) -> None:
    """What no thread has begun when forty wait is refused (it has a 503 for that)."""
    from cheroot.wsgi import Server  # type: ignore[import-not-found]

    address = listener.getsockname()
    listener.close()
    Server(
        address, app, numthreads=5, timeout=10, request_queue_size=4096, accepted_queue_size=40,
        accepted_queue_timeout=0.1, reuse_port=True,
    ).safe_start()  # fmt: skip


if __name__ == "__main__":
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[2])))
    if sys.argv[1] == "waitress":
        listener.listen(1024)
        listener.setblocking(False)
    os.fork()
    {"waitress": waitress, "cheroot": cheroot}[sys.argv[1]](listener)
