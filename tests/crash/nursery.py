"""Forks the processes that crash tests kill: each is a real one, ready in milliseconds, since the imports are done.

Run as `python -m tests.crash.nursery LOG`. Each line on standard input is an order in JSON, each answered by a line.
"""

import json
import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event

from db import rules, session
from db.deliveries import addressing
from db.session import writing
from db.settings import settings
from db.votes import tallies, votes
from emails import smtp_connection
from tests.crash import stages
from worker import bell, digests, jobs, send_slice
from worker.redis import end_with_parent

# ---- what a process does until it is killed -----------------------------------------------------------------


def send() -> None:
    """A sender: what the clock and the bell would ring for, without pause."""
    while True:
        send_slice.recover()
        send_slice.run_slice(time.monotonic() + send_slice.SLICE)
        time.sleep(0.1)


def tick() -> None:
    """The weekly run's own worker, which addresses and finishes."""
    while True:
        digests.address_frozen()
        digests.finish_sent()
        time.sleep(0.1)


def work() -> None:
    """A worker on jobs."""
    while True:
        jobs.work()
        time.sleep(0.1)


def fold() -> None:
    """A folder of votes."""
    while True:
        with writing(durable=False) as opened:
            folded = tallies.fold(opened, datetime.now(UTC))
        time.sleep(0.001 if folded else 0.02)


def vote() -> None:
    """Readers who cast, change and withdraw, over and over; killed among them."""
    tools = (1, 2, 3)
    for turn in range(1, 1_000_000):
        voter, tool = f"anonymous:reader-{turn % 40}", tools[turn % len(tools)]
        with writing(durable=False) as opened:
            now = datetime.now(UTC)
            if turn % 7 == 0:
                votes.withdraw(opened, voter, tool, now)
            else:
                votes.cast(opened, voter, tool, "ship" if turn % 3 else "skip", now)
        time.sleep(0.002)


def ring() -> None:
    """What a commit's bell says of the digests (or of CRASH_BELL), again and again until somebody listens."""
    while True:
        bell.publish(os.environ.get("CRASH_BELL", "digests"))
        time.sleep(0.5)


ROLES: dict[str, Callable[[], None]] = {
    "send": send,
    "tick": tick,
    "work": work,
    "fold": fold,
    "vote": vote,
    "ring": ring,
}


# ---- birth and end --------------------------------------------------------------------------------------------


def shorten() -> None:
    """Waits that a test need not sit through, and one connection a sender; safety rests on none of them."""
    connections = send_slice._transports
    send_slice._transports = lambda mail_url, count: connections(mail_url, 1)
    rules.JOB_LEASE = timedelta(seconds=0.3)
    rules.job_backoff = lambda attempt, jitter: timedelta(seconds=0.05)
    rules.breaker_backoff = lambda failures, jitter: timedelta(seconds=min(0.2 * failures, 1))
    rules.defer_backoff = lambda attempt, jitter: timedelta(seconds=0.2)
    addressing.PAGE = 50
    rules.BATCH = int(os.environ.get("CRASH_BATCH", rules.BATCH))
    if seconds := os.environ.get("CRASH_PATIENCE"):
        session.BUSY_SECONDS = int(seconds)
        event.listen(Engine, "connect", end_idle_transactions_after(int(seconds)))


def end_idle_transactions_after(seconds: int) -> Callable[[Any, Any], None]:
    """In place of the product's own fifteen."""

    def order(connection: Any, _record: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            connection.execute(f"SET idle_in_transaction_session_timeout = '{seconds}s'")
            connection.commit()

    return order


def born(order: dict) -> None:
    """The child: one role, one gate perhaps, and no way back."""
    end_with_parent()
    os.environ.update(order["environment"])
    settings.cache_clear()
    shorten()
    if gate := order.get("gate"):
        stages.close(gate["stage"], gate["passing"], gate["port"])
    while True:
        try:
            ROLES[order["role"]]()
        except Exception:  # as a task that fails: it is rung for again
            traceback.print_exc()
            time.sleep(0.1)
        except BaseException:
            os._exit(1)


def obey(order: dict, answers: int) -> str:
    """`fork` answers with the child's id, `end` (a kill, and the wait for it) with how it ended."""
    if order["do"] == "fork":
        child = os.fork()
        if child == 0:
            os.close(answers)
            born(order)
        return str(child)
    os.kill(order["child"], signal.SIGKILL)
    _, status = os.waitpid(order["child"], 0)
    return str(os.waitstatus_to_exitcode(status))


def serve(log: str) -> None:
    answers = os.dup(1)
    quiet = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    smtp_connection._own_name()  # asked of the resolver once, not by every child
    os.write(answers, b"ready\n")
    for line in sys.stdin:
        os.write(answers, obey(json.loads(line), answers).encode() + b"\n")


if __name__ == "__main__":
    serve(sys.argv[1])
