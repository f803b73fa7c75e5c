"""Heartbeats: each process records every five seconds that it runs, and whether it was at work since.

A thread of its own is the only one that writes them. Whoever works only leaves a mark in memory, so no task and no ring
of the clock waits for a database that does not answer.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog

from db import moments, schema, signing_keys
from db.driver import DriverConnection, driver_connection
from db.engine import close_idle, sessions_at_most
from db.monitoring import heartbeats, runs_with, sessions
from db.monitoring.heartbeats import Marks, RunsAs
from db.refusals import refusal
from db.settings import settings

EVERY = 10.0
"""Seconds between two records that a process is at work, at least."""
LIVES_EVERY = 5.0
UNWRITTEN = 15.0
"""Seconds without a successful heartbeat after which this process reports that it cannot write to the database."""

log = structlog.get_logger("heartbeats")


@dataclass
class Pulse:
    """One process's marks since its last heartbeat, and how that one went."""

    pid: int = field(default_factory=os.getpid)
    started_at: datetime = field(default_factory=lambda: moments.now())
    kind: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    due: threading.Event = field(default_factory=threading.Event)
    """Set when the next heartbeat should not wait for its turn."""

    worked: bool = False
    done: int = 0
    taken_at: datetime | None = None
    failed_at: datetime | None = None
    work_failure: str | None = None

    since: float = field(default_factory=time.monotonic)
    last: float | None = None
    """When a heartbeat that tells of work was last tried."""
    written: float = field(default_factory=time.monotonic)
    """When a heartbeat was written last, or when this process started."""
    failure: str = ""
    first: bool = True
    """Whether no heartbeat has been written yet."""
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while a heartbeat is written, so that none undoes the last one."""
    over: bool = False
    """Whether this process has said that it ends."""

    def mark(self, kind: str) -> None:
        """Note that this process is at work."""
        with self.lock:
            self.worked, self.kind = True, kind
        if self._may_tell():
            self.due.set()

    def _may_tell(self) -> bool:
        return self.last is None or time.monotonic() - self.last >= EVERY

    def took(self) -> None:
        """Note that the mail server has taken a letter."""
        with self.lock:
            news = self.taken_at is None or (self.failed_at is not None and self.failed_at > self.taken_at)
            self.taken_at = moments.now()
        if news:
            self.due.set()

    def missed(self, reason: str) -> None:
        """Note that a piece of work failed to begin."""
        with self.lock:
            news = self.failed_at is None or (self.taken_at is not None and self.taken_at >= self.failed_at)
            self.failed_at, self.work_failure = moments.now(), reason
        if news:
            self.due.set()

    def write(self) -> None:
        """Write that this process lives and, if it worked and that is due, what it did."""
        with self._noticed(), self.turn:
            if self.over:
                return
            schema.check()
            with driver_connection(durable=False) as driver:
                if not driver.sqlite:
                    moments.measure(lambda: driver.fetch("SELECT clock_timestamp()", ())[0][0])
                if self.first:
                    self._tell_of_the_dead(driver)
                    self.first = False
                if self.worked and self._may_tell():
                    self._tell_of_work(driver)
                else:
                    own = (self.process, self.kind, self.started_at)
                    heartbeats.live(driver, *own, moments.now(), _runs_as(), self._marks())
            signing_keys.record()  # a web process that started before the database answered does it here

    def _tell_of_the_dead(self, driver: DriverConnection) -> None:
        """Write that killed processes of this host have ended, which they could not tell: this one may replace one.

        A process of another container with the same host name is taken for one of them, until its next heartbeat.
        """
        for process in heartbeats.running_on(driver, socket.gethostname(), moments.now()):
            if not _exists(int(process.rpartition(":")[2])):
                heartbeats.ended(driver, process, moments.now())

    def _tell_of_work(self, driver: DriverConnection) -> None:
        self.last = now = time.monotonic()
        with self.lock:
            done, self.worked = self.done, False
        own, work = (self.process, self.kind, self.started_at), (done, now - self.since)
        try:
            heartbeats.beat(driver, *own, moments.now(), *work, _runs_as(), self._marks())
        except BaseException:
            self.worked = True  # it is still to be told
            raise
        with self.lock:
            self.since, self.done = now, self.done - done

    def _marks(self) -> Marks:
        with self.lock:
            return Marks(moments.skew().total_seconds(), self.taken_at, self.failed_at, self.work_failure)

    def write_for_ever(self) -> None:
        while not self.over:
            self.due.clear()
            self.write()
            close_idle()
            if self.failure:
                time.sleep(LIVES_EVERY)  # marks do not hurry a database that refuses
            else:
                self.due.wait(LIVES_EVERY)

    def end(self) -> None:
        """Write that this process has ended, unless the database refuses just now."""
        self.over = True
        if self.failure:
            return
        with self._noticed(), self.turn, driver_connection(durable=False) as driver:
            heartbeats.ended(driver, self.process, moments.now())

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


def _exists(pid: int) -> bool:
    """Whether such a process runs on this host; one that has ended and that its parent has not noticed does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it belongs to another user, or this system has no /proc
    return state not in ("Z", "X")


_pulse = Pulse()
_living: tuple[int, str] | None = None
"""The process whose thread is started, and its kind."""


def _own() -> Pulse:
    """This process's heartbeat state; a forked child gets its own."""
    global _pulse
    if _pulse.pid != os.getpid():
        _pulse = Pulse()
    return _pulse


def own_process() -> str:
    """How heartbeats name this process."""
    return _own().process


def start(kind: str) -> None:
    """Start a daemon thread that records every five seconds that this process runs, and closes sessions without use."""
    global _living
    _living = (os.getpid(), kind)
    own = _own()
    own.kind = kind
    if kind in heartbeats.AT_WORK:
        sessions_at_most(sessions.of_process(kind, settings()))
    threading.Thread(target=own.write_for_ever, name="heartbeats", daemon=True).start()


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


def at_work(kind: str) -> None:
    """Note that this process, of this kind (one of AT_WORK), is at work; never waits for the database."""
    _own().mark(kind)


def did(pieces: int) -> None:
    """Count votes folded, or letters settled, by this process."""
    own = _own()
    with own.lock:  # a sender runs one thread per connection
        own.done += pieces


def taken() -> None:
    """Note that the mail server has just taken a letter from this process."""
    _own().took()


def failed(reason: str) -> None:
    """Note that this process could not begin its work just now, and why."""
    _own().missed(reason)


def end() -> None:
    """Tell that this process has ended, so that nobody counts on it for the seconds until its silence would show."""
    _own().end()


def _runs_as() -> RunsAs:
    return RunsAs(socket.gethostname(), schema.RELEASE, runs_with.of(settings()))
