"""The thread that does a worker's work: it looks at the tables by itself, and a message only makes it look sooner.

While a message's look lasts, and after a look that failed, the Celery task waits, so this process takes no further
message from Redis: a host that fails at once would otherwise take every message from the others.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from db import guard, schema, signing_keys
from db.refusals import refusal
from db.schema import WrongSchema
from db.session import reading
from worker.processes import ending, heartbeats, schema_gate
from worker.processes.schedule import ScheduleEntry
from worker.processes.trouble import Trouble, in_words

PAUSE = 2.0, 5.0
"""Seconds to wait after a look that failed, at random, so that hosts do not ask a sick server all at once."""
SPREAD = 0.2
"""By how much of its period, at random, a look may come sooner or later."""

log = structlog.get_logger("looks")


class CannotBegin(Exception):
    """A look could not begin its work; the message says why. One line is logged, and the next look waits."""

    longest: float | None = None
    """Up to how many seconds the pauses grow while it goes on; None if they do not."""


@dataclass
class Look:
    """One kind of work, when it is due next, and how its last looks went. All moments are monotonic seconds."""

    entry: ScheduleEntry
    work: Callable[[], object]
    """Returns something true if it left work that can be gone on with at once."""
    due: float = 0.0
    begun: int = 0
    ended: int = 0
    quiet_until: float = 0.0
    """After a failure: no message hastens it before, and none is taken from Redis."""
    trouble: Trouble = field(init=False)

    def __post_init__(self) -> None:
        self.trouble = Trouble(self.entry.task)


class Looks:
    """The looks of one process, and the thread that does them one after the other."""

    def __init__(self, kind: str, works: dict[ScheduleEntry, Callable[[], object]]) -> None:
        self.kind = kind
        now = time.monotonic()
        self.looks = {entry.task: Look(entry, work, now + _first(entry)) for entry, work in works.items()}
        self.changed = threading.Condition()
        self.waiting = 0
        """How many messages wait for their look; the process must not end amid one."""
        self.current: Look | None = None

    def ring(self, task: str) -> None:
        """A message came: look now. Returns when a look that began after this moment has ended, and its pause too if it
        failed."""
        look = self.looks[task]
        with self.changed:
            wanted = look.begun + 1
            self.waiting += 1
            look.due = min(look.due, max(time.monotonic(), look.quiet_until))
            self.changed.notify_all()
            while not ending.asked() and (look.ended < wanted or time.monotonic() < look.quiet_until):
                self.changed.wait(None if look.ended < wanted else look.quiet_until - time.monotonic())
            self.waiting -= 1

    def hurry(self, task: str) -> None:
        """Look soon, without waiting for it."""
        look = self.looks[task]
        with self.changed:
            look.due = min(look.due, max(time.monotonic(), look.quiet_until))
            self.changed.notify_all()

    def hasten(self) -> None:
        """Let everybody who waits here see that this process was told to end."""
        with self.changed:
            self.changed.notify_all()

    def work(self) -> None:
        """Look again and again, whichever is due first, until this process is told to end."""
        while (look := self._next()) is not None:
            self.one(look)

    def _next(self) -> Look | None:
        """Wait for the next look that is due. None when this process was told to end."""
        with self.changed:
            while not ending.asked():
                look = min(self.looks.values(), key=lambda each: each.due)
                if (wait := look.due - time.monotonic()) <= 0:
                    look.begun, self.current = look.begun + 1, look
                    look.due = time.monotonic() + look.entry.every * random.uniform(1 - SPREAD, 1 + SPREAD)
                    return look
                self.changed.wait(wait)
        return None

    def one(self, look: Look) -> None:
        """One look, with whatever comes of it."""
        heartbeats.at_work(self.kind)
        try:
            schema.check()
            signing_keys.record()
            left = look.work() if look.entry.task in guard.UNGUARDED or not _is_guarded() else False
        except Exception as error:
            self._failed(look, error)
        else:
            look.trouble.over()
            if left:
                with self.changed:
                    look.due = time.monotonic()
        heartbeats.at_work(self.kind)
        with self.changed:
            look.ended, self.current = look.ended + 1, None
            self.changed.notify_all()

    def _failed(self, look: Look, error: Exception) -> None:
        """Put the look off. What the database refuses to one look it refuses to all of this process."""
        if isinstance(error, WrongSchema):
            schema_gate.say_once(str(error))
        else:
            look.trouble.met(error, known=isinstance(error, CannotBegin))
        heartbeats.failed(in_words(error))
        longest = error.longest if isinstance(error, CannotBegin) else None
        growth = min(2.0 ** min(look.trouble.times - 1, 10), longest / PAUSE[1]) if longest else 1.0
        with self.changed:
            look.quiet_until = look.due = time.monotonic() + random.uniform(*PAUSE) * growth
            if refusal(error) is not None:
                for each in self.looks.values():
                    each.quiet_until = look.quiet_until
                    each.due = max(each.due, look.quiet_until)


def _is_guarded() -> bool:
    """Whether the database is a copy that nobody has confirmed yet; it is logged once."""
    with reading() as session:
        found = guard.standing(session)
    if found:
        schema_gate.say_once(found.told)
    return found is not None


def _first(entry: ScheduleEntry) -> float:
    """In how many seconds a process that has just started looks: several of them need not do rare work all at once."""
    return 0.0 if entry.every <= 2 else random.uniform(0, entry.every)
