"""Heartbeats: each process records every five seconds that it runs, and when a task starts or ends that it is at work.

These are two columns, because a thread writes the first: it goes on doing so while the process's task hangs.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from celery.signals import beat_init, before_task_publish, task_postrun, task_prerun, worker_process_init

from db import moments, schema
from db.driver import driver_connection
from db.monitoring import heartbeats, runs_with
from db.monitoring.heartbeats import RunsAs
from db.refusals import refusal
from db.settings import settings
from worker.app import app

EVERY = 10.0
"""Seconds between two records that a process is at work, at least."""
LIVES_EVERY = 5.0
UNWRITTEN = 15.0
"""Seconds without a successful heartbeat after which this process reports that it cannot write to the database."""

log = structlog.get_logger("heartbeats")


@dataclass
class Pulse:
    """One process's state between heartbeats."""

    pid: int = field(default_factory=os.getpid)
    started_at: datetime = field(default_factory=lambda: moments.now())
    since: float = field(default_factory=time.monotonic)
    last: float | None = None
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    written: float = field(default_factory=time.monotonic)
    """When a heartbeat of either kind was written last, or when this process started."""
    failure: str = ""
    kind: str = ""

    def beat(self, kind: str) -> None:
        """Write that this process is at work, if that is due."""
        now = time.monotonic()
        if self.last is not None and now - self.last < EVERY:
            return
        self.last, self.kind = now, kind
        with self._noticed(), driver_connection(durable=False) as driver:
            heartbeats.beat(
                driver, self.process, kind, self.started_at, moments.now(), self.done, now - self.since, _runs_as()
            )
            self.since, self.done = now, 0

    def live(self) -> None:
        """Write that this process lives."""
        with self._noticed():
            schema.check()
            with driver_connection(durable=False) as driver:
                heartbeats.live(driver, self.process, self.kind, self.started_at, moments.now(), _runs_as())

    def live_for_ever(self) -> None:
        while True:
            self.live()
            time.sleep(LIVES_EVERY)

    @property
    def process(self) -> str:
        return f"{socket.gethostname()}:{self.pid}"

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        """Catch and store errors, so that a failed heartbeat never stops the work. Logs only the first error in a row;
        how_it_went() shows the last one."""
        try:
            yield
        except Exception as error:
            told = refusal(error) or next(iter(str(error).splitlines()), type(error).__name__)
            if not self.failure:
                log.warning("no heartbeat written", kind=self.kind, error=told)
            self.failure = told
        else:
            self.written, self.failure = time.monotonic(), ""


_pulse = Pulse()
_living: tuple[int, str] | None = None
"""The process whose thread is started, and its kind."""


def _own() -> Pulse:
    """This process's heartbeat state; a forked child gets its own."""
    global _pulse
    if _pulse.pid != os.getpid():
        _pulse = Pulse()
    return _pulse


def start(kind: str) -> None:
    """Start a daemon thread that records every five seconds that this process runs."""
    global _living
    _living = (os.getpid(), kind)
    own = _own()
    own.kind = kind
    threading.Thread(target=own.live_for_ever, name="heartbeats", daemon=True).start()


def start_after_fork() -> None:
    """Start the thread again in a forked child, since threads do not survive a fork. It is called at each request and
    is cheap."""
    if _living is not None and _living[0] != os.getpid():
        start(_living[1])


def are_written() -> bool:
    """Whether this process is one of the site's own, which write heartbeats, and not a command."""
    return _living is not None


def how_it_went() -> tuple[bool, str]:
    """Whether this process could write its heartbeats lately, and a sentence about the last one."""
    if _living is None:
        return True, "this process writes none"
    own = _own()
    ago = time.monotonic() - own.written
    if own.failure or ago > UNWRITTEN:
        return ago <= UNWRITTEN, f"not written for {ago:.0f} s: {own.failure or 'the database has not answered'}"
    return True, f"ok, {ago:.0f} s ago"


def did(pieces: int) -> None:
    """Count votes folded, or letters settled, by this process."""
    own = _own()
    with own.lock:  # a sender runs one thread per connection
        own.done += pieces


def _runs_as() -> RunsAs:
    return RunsAs(socket.gethostname(), schema.RELEASE, runs_with.of(settings()))


# ---- in workers, senders and the clock ---------------------------------------------------------------------


@task_prerun.connect
@task_postrun.connect
def _at_a_task(sender: Any = None, **_: Any) -> None:
    _own().beat("sender" if sender is not None and sender.name == "mail.send" else "worker")


@worker_process_init.connect
def _in_a_child(**_: Any) -> None:
    # The parent has no thread: it goes on forking, and a child would find a lock held for ever that the thread held.
    start("sender" if "mail" in app.amqp.queues.consume_from else "worker")


def _at_a_ring(**_: Any) -> None:
    _own().beat("clock")


@beat_init.connect
def _in_the_clock(**_: Any) -> None:
    # Other processes publish messages too, but only the clock counts a published message as its heartbeat.
    before_task_publish.connect(_at_a_ring)
    start("clock")
