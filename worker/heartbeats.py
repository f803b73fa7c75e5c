"""Heartbeats: each process writes its own when a task starts or ends, at most once in ten seconds."""

import os
import socket
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from celery.signals import beat_init, before_task_publish, task_postrun, task_prerun

from db.monitoring import heartbeats
from db.session import driver_connection

EVERY = 10.0

log = structlog.get_logger("heartbeats")


@dataclass
class Pulse:
    """One process's state between heartbeats."""

    pid: int = field(default_factory=os.getpid)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    since: float = field(default_factory=time.monotonic)
    last: float | None = None
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def beat(self, kind: str) -> None:
        """Write a heartbeat if one is due; errors are logged and never stop the work."""
        now = time.monotonic()
        if self.last is not None and now - self.last < EVERY:
            return
        self.last = now
        try:
            with driver_connection(durable=False) as driver:
                heartbeats.beat(
                    driver, f"{socket.gethostname()}:{self.pid}", kind, self.started_at, datetime.now(UTC), self.done,
                    now - self.since,
                )  # fmt: skip
        except Exception as error:
            log.warning("no sign of life written", kind=kind, error=str(error).splitlines()[0])
        else:
            self.since, self.done = now, 0


_pulse = Pulse()


def _own() -> Pulse:
    """This process's heartbeat state; a forked child gets its own."""
    global _pulse
    if _pulse.pid != os.getpid():
        _pulse = Pulse()
    return _pulse


def did(pieces: int) -> None:
    """Count votes folded, or letters settled, by this process."""
    own = _own()
    with own.lock:  # a sender runs one thread per connection
        own.done += pieces


@task_prerun.connect
@task_postrun.connect
def _at_a_task(sender: Any = None, **_: Any) -> None:
    _own().beat("sender" if sender is not None and sender.name == "mail.send" else "worker")


def _at_a_ring(**_: Any) -> None:
    _own().beat("clock")


@beat_init.connect
def _in_the_clock(**_: Any) -> None:
    # Other processes publish messages too, but only the clock counts a published message as its heartbeat.
    before_task_publish.connect(_at_a_ring)
