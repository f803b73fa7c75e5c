"""A door to PostgreSQL that can fall silent: connections stay open and are made, and nothing is answered any more."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import make_url


class Door(socketserver.ThreadingTCPServer):
    """Passes bytes on to the server's socket while it is open."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, url: str) -> None:
        address = make_url(url)
        self.behind = f"{address.query['host']}/.s.PGSQL.{address.query.get('port', 5432)}"
        self.open = threading.Event()
        self.open.set()
        super().__init__(("127.0.0.1", 0), Visitor)
        through = address.set(host="127.0.0.1", port=self.server_address[1], query={})
        self.url = through.render_as_string(hide_password=False)


class Visitor(socketserver.BaseRequestHandler):
    server: Door

    def handle(self) -> None:
        self.server.open.wait()
        with socket.socket(socket.AF_UNIX) as behind:
            behind.connect(self.server.behind)
            threading.Thread(target=self.pump, args=(behind, self.request), daemon=True).start()
            self.pump(self.request, behind)

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while said := source.recv(65536):
                self.server.open.wait()
                target.sendall(said)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@contextmanager
def door(url: str) -> Iterator[Door]:
    with Door(url) as made:
        threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
        yield made
        made.open.set()
        made.shutdown()
