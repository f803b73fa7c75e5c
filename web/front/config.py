"""What the Procfile's line tells gunicorn beside its numbers: where to listen, and with what to serve."""

import os
from typing import Any


def address(host: str, port: str) -> str:
    """As gunicorn takes it: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


bind = address(os.environ.get("WEB_HOST") or "127.0.0.1", os.environ.get("PORT") or "8000")
worker_class = "web.front.worker.Worker"
graceful_timeout = 10
"""Seconds for requests in hand after TERM."""
loglevel = "warning"
control_socket_disable = True


def on_starting(_server: Any) -> None:
    """Let gunicorn's own lines read like all others, and refuse a foreign signing key here, once: of workers that
    refuse to start gunicorn makes a traceback."""
    from db.engine import engine  # this module is also read by whoever only looks up its values
    from web.app import record_key
    from worker.processes import logs

    logs.take_over()
    record_key()
    engine().dispose()  # no connection may be there when the workers are forked
