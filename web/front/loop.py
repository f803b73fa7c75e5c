"""What the connections of one process share: the application, its threads, and their places."""

import asyncio
import resource
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any
from wsgiref.types import WSGIApplication

from web.front.connection import Connection
from web.front.exchange import Exchange
from web.front.places import Places
from web.front.ready import Ready
from web.front.request import Request
from web.front.spool import IN_MEMORY, Body
from web.front.threads import Threads

MOST_CONNECTIONS = 8192
"""Of one process, if it may open so many files. Beyond that, who has kept us waiting for longest is let go."""
SPARE_FILES = 256
MOST_UPLOADS = 4
"""Bodies on disk at once, in one process."""
GO_ON_AT_ONCE = 16
"""Connections whose pipelined requests are answered further in one turn of the loop."""
SWEEP_SECONDS = 0.5


class Front:
    """The state of one process's front; all of it belongs to the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        app: WSGIApplication,
        threads: Threads,
        shared: dict[str, Any],
        ready: Callable[[Request, str], Ready | None],
        uploads: Mapping[str, int],
        *,
        counts_networks: bool = False,
    ) -> None:
        """`ready` finds what needs no thread. `uploads` says for some paths how many bytes a body may have there.
        `counts_networks` says that no proxy stands before the site, so that a connection is its reader's own."""
        self.soon, self.time = loop.call_soon_threadsafe, loop.time
        self.threads, self.ready = threads, ready
        self.places = Places(most_connections())
        self.counts_networks = counts_networks
        self.stopping = False
        self._loop, self._app, self._shared, self._uploads = loop, app, shared, uploads
        self._pipelined: deque[Connection] = deque()
        """Connections with more requests than they may have answered in one turn."""
        self._uploading: set[Connection] = set()
        self._ends = _ends_of_head()

    @property
    def connections(self) -> int:
        return len(self.places)

    def sweep(self) -> None:
        """Let go whose time is over. The front calls it twice a second."""
        self._ends = _ends_of_head()
        self.places.sweep(self.time())
        self.threads.give_up()

    def stop(self) -> None:
        """Answer what has been asked, and nothing more."""
        self.stopping = True
        for connection in self.places:
            connection.end()

    def go_on_later(self, connection: Connection) -> None:
        """Answer this one's next requests once others have had their turn; so many of them that a turn stays short, as
        each turn also accepts one new connection."""
        self._pipelined.append(connection)
        if len(self._pipelined) == 1:
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        these = [self._pipelined.popleft() for _ in range(min(GO_ON_AT_ONCE, len(self._pipelined)))]
        if self._pipelined:
            self._loop.call_soon(self._go_on)
        for each in these:
            each.go_on()

    # ---- requests ------------------------------------------------------------------------------------------------

    def end_of_head(self, version: str, keep: bool) -> bytes:
        return self._ends[(version, keep)]

    def largest_body(self, path: str) -> int:
        return self._uploads.get(path, IN_MEMORY)

    def may_upload(self, connection: Connection) -> bool:
        if len(self._uploading) >= MOST_UPLOADS:
            return False
        self._uploading.add(connection)
        return True

    def uploaded(self, connection: Connection) -> None:
        self._uploading.discard(connection)

    def exchange(
        self,
        request: Request,
        body: Body | None,
        peer: str,
        tell: Callable[[Exchange], object],
        failed: Callable[[Exchange, int], object],
    ) -> Exchange:
        return Exchange(request, body, peer, self._app, self._shared, tell, failed)


def most_connections() -> int:
    """How many connections fit; on the way the limit of open files is raised as far as it goes (256 on macOS)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + SPARE_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            wanted = soft
    return max(64, wanted - SPARE_FILES)


def _ends_of_head() -> dict[tuple[str, bool], bytes]:
    """The last lines of a ready answer's head, by HTTP version and whether the connection is kept."""
    date = f"Date: {formatdate(usegmt=True)}\r\n"
    return {
        ("1.1", True): f"{date}\r\n".encode(),
        ("1.0", True): f"{date}Connection: keep-alive\r\n\r\n".encode(),
        ("1.1", False): f"{date}Connection: close\r\n\r\n".encode(),
        ("1.0", False): f"{date}Connection: close\r\n\r\n".encode(),
    }
