"""Answers that need no thread: kept pages and files (decision 23), /healthz, and OPTIONS for the whole server."""

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from db.settings import settings
from web.front import answers
from web.front.request import Request
from web.readers import outbox
from web.readers.kept import Store

log = logging.getLogger(__name__)

Ready = tuple[bytes, bytes]
"""An answer's head without its last lines, and its body."""


def reads_only(request: Request) -> bool:
    """Whether somebody without own votes reads, who gets a thread before all others: most often the page will be kept
    then, and the next ones need no thread."""
    return (
        request.method in ("GET", "HEAD")
        and "voter" not in request.headers.get("cookie", "")
        and not request.path.startswith("/operator")
    )


@lru_cache(maxsize=256)
def _is_here(peer: str, version: str, host: str, headers: tuple[str, ...]) -> bool:
    """Whether the outbox is shown to this client; of most headers the names alone tell whether a proxy wrote them."""
    environ: dict[str, Any] = {"HTTP_" + name.upper().replace("-", "_"): "" for name in headers}
    return outbox.is_shown_to(environ | {"HTTP_HOST": host, "REMOTE_ADDR": peer, "SERVER_PROTOCOL": f"HTTP/{version}"})


def finder(app: Any) -> Callable[[Request, str], Ready | None]:
    """Tells for a request and its client's address what can be answered at once. It never waits, and raises nothing."""
    store: Store | None = getattr(app, "extensions", {}).get("kept pages")
    # The outbox shows letters, and pages a link to it, to a browser on this machine alone.
    may_be_here = ("127.", "::1", "::ffff:127.") if store and settings().outbox else ()

    def find(request: Request, peer: str) -> Ready | None:
        if request.path == "*":
            return answers.OPTIONS
        if request.method not in ("GET", "HEAD"):
            return None
        if request.path == "/healthz":
            return answers.ALIVE
        try:
            return kept(request, peer) if store else None
        except Exception:
            log.exception("looking for a kept page failed")
            return None

    def kept(request: Request, peer: str) -> Ready | None:
        assert store is not None
        headers = request.headers
        here = peer.startswith(may_be_here) and _is_here(peer, request.version, headers.get("host", ""), tuple(headers))
        found = store.find(request.method, request.path, request.query, request.headers, here=here)
        if found is None:
            return None
        head = answers.status_line(found.status) + "".join(f"{name}: {value}\r\n" for name, value in found.headers)
        return head.encode("latin-1"), found.body

    return find
