"""A request as WSGI applications read it (PEP 3333)."""

import sys
from typing import Any

from web.front.request import Request
from web.front.spool import Body


def environ_of(request: Request, body: Body | None, shared: dict[str, Any], peer: str) -> dict[str, Any]:
    """The WSGI environ of a whole request; `shared` holds what all requests of a process share."""
    environ = shared.copy()
    environ["REQUEST_METHOD"] = request.method
    environ["PATH_INFO"] = request.path
    environ["QUERY_STRING"] = request.query
    environ["SERVER_PROTOCOL"] = f"HTTP/{request.version}"
    environ["REMOTE_ADDR"] = peer
    environ["wsgi.input"] = (body or Body(0)).read_from()
    for name, value in request.headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name not in ("content-length", "transfer-encoding"):
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    if body is not None:
        environ["CONTENT_LENGTH"] = str(body.size)
    return environ


def shared_environ(name: str, port: int, *, processes: int) -> dict[str, Any]:
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": name,
        "SERVER_PORT": str(port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": processes > 1,
        "wsgi.run_once": False,
    }
