"""Forks the processes that crash tests kill. A fork is ready in milliseconds, because all modules are imported already.

Run as `python -m tests.crash.nursery LOG`. Each line on standard input is an order in JSON and gets a line in reply.
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

from db import engine, rules
from db.deliveries import addressing
from db.session import writing
from db.settings import settings
from db.votes import tallies, votes
from emails.transports import smtp_connection
from tests.crash import stages
from worker import bell
from worker.digests import weekly_run
from worker.jobs import jobs
from worker.redis import end_with_parent
from worker.sending import mail_connections, send_slice

# ---- what a process does until it is killed -----------------------------------------------------------------


def send() -> None:
    """A sender that runs slices in a loop, without waiting for a wake-up from the clock or the bell."""
    while True:
        send_slice.recover()
        send_slice.run_slice(time.monotonic() + send_slice.SLICE)
        time.sleep(0.1)


def tick() -> None:
    """A worker that only addresses and finishes digests, in a loop."""
    while True:
        weekly_run.address_frozen()
        weekly_run.finish_sent()
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
    """A process in which forty readers cast, change and withdraw votes in a loop."""
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
    """Publish the wake-up for the queue `digests` (or CRASH_BELL) twice a second, in case no worker listens yet."""
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


# ---- starting and ending processes ----------------------------------------------------------------------------


def shorten() -> None:
    """Shorten leases and back-offs, and give each sender one connection, or CRASH_CONNECTIONS. That no letter is lost
    or doubled depends on none of these values."""
    connections = mail_connections.of
    most = int(os.environ.get("CRASH_CONNECTIONS", 1))
    mail_connections.of = lambda config, count: connections(config, min(count, most))
    rules.JOB_LEASE = timedelta(seconds=0.3)
    rules.job_backoff = lambda attempt, jitter: timedelta(seconds=0.05)
    rules.breaker_backoff = lambda failures, jitter: timedelta(seconds=min(0.2 * failures, 1))
    rules.defer_backoff = lambda attempt, jitter: timedelta(seconds=0.2)
    addressing.PAGE = 50
    rules.BATCH = int(os.environ.get("CRASH_BATCH", rules.BATCH))
    if seconds := os.environ.get("CRASH_PATIENCE"):
        engine.BUSY_SECONDS = int(seconds)
        event.listen(Engine, "connect", end_idle_transactions_after(int(seconds)))


def end_idle_transactions_after(seconds: int) -> Callable[[Any, Any], None]:
    """A listener that sets PostgreSQL's idle_in_transaction_session_timeout on each connection, in place of 15 s."""

    def order(connection: Any, _record: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            connection.execute(f"SET idle_in_transaction_session_timeout = '{seconds}s'")
            connection.commit()

    return order


def born(order: dict) -> None:
    """Run in the child: apply the order's settings, place its gate if it names one, and play its role until killed."""
    end_with_parent()
    os.environ.update(order["environment"])
    settings.cache_clear()
    shorten()
    if gate := order.get("gate"):
        stages.close(gate["stage"], gate["passing"], gate["port"])
    while True:
        try:
            ROLES[order["role"]]()
        except Exception:  # like a failed Celery task, which the next wake-up runs again
            traceback.print_exc()
            time.sleep(0.1)
        except BaseException:
            os._exit(1)


def obey(order: dict, answers: int) -> str:
    """Carry out an order. `fork` returns the child's process id; `end` kills a child and returns its exit code."""
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
    smtp_connection._own_name()  # cached before forking, so that not every child asks the resolver
    os.write(answers, b"ready\n")
    for line in sys.stdin:
        os.write(answers, obey(json.loads(line), answers).encode() + b"\n")


if __name__ == "__main__":
    serve(sys.argv[1])
