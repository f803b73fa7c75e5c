"""The outside line: one process that makes requests to other people's servers, several at once, each in a thread.

It is no Celery worker: what such a process needs of it is one wake-up, and a parent and a child would take three times
the memory (docs/decisions/0023-the-outside-line-is-threads.md). Run as `python -P -m worker.outside_line`.
"""

import os
import select
import signal
import sys
import threading
import time

import structlog
from redis import RedisError

from db import engine
from db.jobs.jobs import Job
from db.setting_errors import BadSettings
from db.settings import settings
from worker import redis_client
from worker.feedback import inbox
from worker.jobs import lapsed_jobs, outside_jobs
from worker.outside import dns_lookups
from worker.outside.places import Places
from worker.processes import ending, heartbeats, logs, schema_gate
from worker.processes.looks import Look, Looks
from worker.processes.schedule import entry_of

TASK = "outside.work"
TICK = 5.0
"""Seconds between two glances at the look that is under way."""
RING_SECONDS = 5
"""How long a wait for one message from Redis lasts; then the next begins."""

log = structlog.get_logger("outside")


class OutsideLine:
    """The looks of this process, and the requests that are under way."""

    def __init__(self) -> None:
        self.places = Places()
        self.looks = Looks("outside", {entry_of(TASK): self.look})
        self.thread = threading.Thread(target=self.looks.work, name="looks", daemon=True)

    def start(self) -> None:
        self.thread.start()
        threading.Thread(target=self._hear_rings, name="rings", daemon=True).start()

    def look(self) -> None:
        """Begin a request for each job that is due, as long as there is a place for it."""
        lapsed_jobs.recover()
        inbox.keep_reading()
        dns_lookups.keep_looking_up()
        while not ending.asked() and self.places.are_free():
            job = outside_jobs.claim_one(self.places.busy())
            if job is None:
                return
            self._begin(job)

    def _begin(self, job: Job) -> None:
        self.places.take(job)
        try:
            threading.Thread(target=self._make, args=(job,), name=f"job {job.id}", daemon=True).start()
        except RuntimeError:  # no further thread can be started just now: the job's lease will lapse
            self.places.leave(job)
            raise

    def _make(self, job: Job) -> None:
        try:
            outside_jobs.run(job)
            heartbeats.did(1)
        except Exception as error:  # the lease will lapse; its words might quote a URL
            log.error("not settled; it will be made again", job=job.id, kind=job.kind, error=type(error).__name__)
        finally:
            self.places.leave(job)
            self.looks.hurry(TASK)

    def _hear_rings(self) -> None:
        """Look as soon as a message comes. Without Redis the looks go on by themselves."""
        told = False
        while not ending.asked():
            try:
                with redis_client.connect(settings(), 2 * RING_SECONDS) as client:
                    while not ending.asked():
                        if client.brpop([redis_client.PREFIX + "outside"], RING_SECONDS):
                            self.looks.hurry(TASK)
                        told = False
            except (RedisError, OSError, BadSettings) as error:
                if not told:
                    log.warning("no rings from Redis; it is looked every two seconds", error=str(error))
                told = True
                ending.sleep(2.0)

    # ---- the end ---------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Begin nothing more, and wait until what is under way is settled: ten seconds for a request, and the rest for
        the database."""
        ending.ask()
        self.looks.hasten()
        until = time.monotonic() + ending.WORK_SECONDS
        self.thread.join(ending.WORK_SECONDS)
        if not self.places.wait_until_empty(until - time.monotonic()):
            log.warning("broken off; it will be made again", jobs=self.places.jobs())

    def leave(self, code: int) -> None:
        """End this process, whatever its threads wait for."""
        word = threading.Thread(target=heartbeats.end, daemon=True)
        word.start()
        word.join(1.0)  # a database that has just vanished must not hold up the end
        sys.stdout.flush()
        os._exit(code)


def hangs(look: Look | None, seen: tuple[Look | None, int], since: float) -> bool:
    """Whether the look that is under way is still the one of an earlier glance, and for longer than it may take."""
    return look is not None and (look, look.begun) == seen and time.monotonic() - since > look.entry.limit


def _told_to_end() -> int:
    """A pipe that becomes readable when this process is told to end: a lock may not be taken in a signal's handler."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(writable, b"!"))
    return readable


def main() -> None:
    """Run until TERM."""
    logs.take_over()
    try:
        schema_gate.wait_for_schema()
        heartbeats.start("outside")
    except BadSettings as error:
        sys.exit(f"Error: {error}")
    told = _told_to_end()
    line = OutsideLine()
    line.start()
    seen: tuple[Look | None, int] = None, 0
    since = time.monotonic()
    while not select.select([told], [], [], TICK)[0]:
        look = line.looks.current
        if hangs(look, seen, since) or not line.thread.is_alive():
            log.error("the look hangs or has ended; its process ends", seconds=round(time.monotonic() - since))
            line.leave(1)
        if (now := (look, look.begun if look else 0)) != seen:
            seen, since = now, time.monotonic()
    line.finish()
    engine.engine().dispose()
    line.leave(0)


if __name__ == "__main__":
    main()
