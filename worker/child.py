"""A worker's child process: starts its looks, watches that none hangs, and ends when its parent says so."""

import os
import random
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from celery.signals import worker_process_shutdown

from db.engine import engine
from worker.processes import ending, heartbeats
from worker.processes.looks import Look, Looks
from worker.processes.schedule import ScheduleEntry
from worker.sending import mail_connections, unwritten

TICK = 5.0
"""Seconds between two glances at the look that is under way."""
OLD = 3600.0
"""Seconds after which a child makes room for a fresh one, so that memory which leaks is bounded."""
RECYCLED = 0x9B
"""The exit code of a planned end (billiard.pool.EX_RECYCLE), about which the parent logs nothing."""

log = structlog.get_logger("looks")


@dataclass
class Child:
    """One child process: its looks, the thread that does them, and the one that watches it."""

    looks: Looks
    pid: int = field(default_factory=os.getpid)
    old_at: float = field(default_factory=lambda: time.monotonic() + OLD * random.uniform(0.9, 1.1))
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the thread has finished all its work."""
    thread: threading.Thread = field(init=False)
    seen: tuple[Look | None, int] = None, 0
    lasts: float = 0.0
    """How long the look that was seen last has been under way, in seconds."""

    def start(self) -> None:
        self.thread = threading.Thread(target=self._work, name="looks", daemon=True)
        self.thread.start()
        threading.Thread(target=self._watch, args=(ending.listen(),), name="watch", daemon=True).start()

    def _work(self) -> None:
        try:
            self.looks.work()
            unwritten.write_all()
        finally:
            self.ended.set()

    def _watch(self, pipe: int) -> None:
        before = time.monotonic()
        while not select.select([pipe], [], [], TICK)[0]:
            now = time.monotonic()
            self._glance(min(now - before, 2 * TICK))  # a machine that stood still has not hung
            before = now
            if self.ended.is_set():
                self.leave(1)  # an error ended the thread, and the log has its traceback
            if now > self.old_at:
                self.finish()
                self.leave(RECYCLED)
        self.finish()
        self.leave(0)

    def _glance(self, passed: float) -> None:
        """End this process if its look hangs: the parent starts another, and what the look held is recovered."""
        look = self.looks.current
        now = look, look.begun if look else 0
        self.lasts = self.lasts + passed if now == self.seen else 0.0
        self.seen = now
        if look is not None and self.lasts > look.entry.limit:
            log.error("a look hangs; its process ends", what=look.entry.task, seconds=round(self.lasts), at=self._at())
            self.finish(0.0)
            self.leave(1)

    def _at(self) -> str:
        """Where the look stands: the innermost functions, the deepest first."""
        frame = sys._current_frames().get(self.thread.ident or 0)
        stack = traceback.extract_stack(frame)[-5:] if frame else []
        return " < ".join(f"{os.path.basename(each.filename)}:{each.lineno} {each.name}" for each in reversed(stack))

    def finish(self, patience: float | None = None) -> None:
        """Begin nothing more, and wait until what is under way has ended; what takes longer is broken off."""
        ending.ask()
        self.looks.hasten()
        if not self.ended.wait(ending.WORK_SECONDS if patience is None else patience):
            log.warning("broken off", at=self._at())
            ending.break_off()
            mail_connections.cut()
            self.ended.wait(ending.BREAK_SECONDS)

    def leave(self, code: int) -> None:
        """End this process, without a word to Celery, which would take a second for it."""
        mail_connections.hang_up()
        if code in (0, RECYCLED):
            word = threading.Thread(target=heartbeats.end, daemon=True)
            word.start()
            word.join(1.0)  # a database that has just vanished must not hold up the end
        engine().dispose()
        until = time.monotonic() + 0.5
        while self.looks.waiting and time.monotonic() < until:
            time.sleep(0.01)
        sys.stdout.flush()
        os._exit(code)


_child: Child | None = None


def start(kind: str, works: dict[ScheduleEntry, Callable[[], object]]) -> None:
    """Start the looks of this child process; threads do not survive a fork, so the parent cannot have done it."""
    global _child
    _child = Child(Looks(kind, works))
    _child.start()


def ring(task: str) -> None:
    """What a Celery task does: wake the thread, and wait for its look."""
    assert _child is not None, "no looks were started in this process"
    _child.looks.ring(task)


@worker_process_shutdown.connect
def _when_celery_ends_it(**_: Any) -> None:
    if _child is not None and _child.pid == os.getpid():
        _child.finish()
