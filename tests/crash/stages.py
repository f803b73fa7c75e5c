"""The named stages of a letter, a job and a fold at which a process of a crash test reports to the test and waits.

The product has no hooks for this: the process that is to be killed patches the product's functions in its own memory.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from db import driver
from db.deliveries import addressing, deliveries
from db.deliveries.claiming import claims, hard_bounces, recovery, settlements
from db.deliveries.limits import stops
from db.jobs import jobs
from db.votes import tallies
from emails.transports import smtp, smtp_connection
from worker.jobs import jobs as worked
from worker.sending import send_batch

_FINAL_DOT = b"\r\n.\r\n"


class Gate:
    """Stops this process the n-th time it reaches a stage: tells the test over a socket, and waits for a byte."""

    def __init__(self, stage: str, passing: int, port: int) -> None:
        self.stage, self.passing, self.port = stage, passing, port
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.passing -= 1
            if self.passing != 0:
                return
        with socket.create_connection(("127.0.0.1", self.port)) as told:
            told.sendall(json.dumps({"stage": self.stage}).encode() + b"\n")
            told.recv(1)


def close(stage: str, passing: int, port: int) -> None:
    """Put the gate of that stage into this process."""
    STAGES[stage](Gate(stage, passing, port))


def _before(room: Any, name: str) -> Callable[[Gate], None]:
    # If the function was renamed, this raises AttributeError here and not in a child process whose errors nobody sees.
    getattr(room, name)

    def put(gate: Gate) -> None:
        real = getattr(room, name)

        def stopped(*given: Any, **named: Any) -> Any:
            gate()
            return real(*given, **named)

        setattr(room, name, stopped)

    return put


def _after(room: Any, name: str, asked: Callable[[Any], bool] = bool) -> Callable[[Gate], None]:
    getattr(room, name)

    def put(gate: Gate) -> None:
        real = getattr(room, name)

        def stopped(*given: Any, **named: Any) -> Any:
            result = real(*given, **named)
            if asked(result):
                gate()
            return result

        setattr(room, name, stopped)

    return put


def _at_write(stage: str) -> Callable[[Gate], None]:
    """Patch the SMTP connection's write(): `body` stops in the middle of a letter, `dot` after its final dot."""

    def put(gate: Gate) -> None:
        real = smtp_connection.SmtpConnection.write

        def stopped(self: smtp_connection.SmtpConnection, raw: bytes) -> None:
            end = raw.find(_FINAL_DOT)  # the next letter's commands may follow it (pipelining)
            whole = end >= 0
            if whole and stage == "body":
                half = end // 2
                real(self, raw[:half])
                gate()
                raw = raw[half:]
            real(self, raw)
            if stage == "dot" and whole:
                gate()

        smtp_connection.SmtpConnection.write = stopped  # type: ignore[method-assign]

    return put


def _before_a_ledger_s_commit(gate: Gate) -> None:
    """Stop before the commit of a driver transaction. On SQLite each settlement is one; on PostgreSQL a settlement is a
    single statement, so this stage is rarely reached."""
    real = driver.DriverConnection.transaction

    @contextlib.contextmanager
    def stopped(self: driver.DriverConnection) -> Iterator[None]:
        with real(self):
            yield
            gate()

    driver.DriverConnection.transaction = stopped  # type: ignore[method-assign]


STAGES: dict[str, Callable[[Gate], None]] = {
    "claiming": _after(claims, "claim"),  # before its commit
    "claimed": _before(send_batch.BatchSend, "go"),
    "mail": _before(smtp_connection.SmtpConnection, "hand_over"),  # after the 354, before the letter's first byte
    "body": _at_write("body"),
    "dot": _at_write("dot"),
    "reply": _after(smtp.SmtpTransport, "send"),
    "settled": _after(settlements, "settle", lambda _: True),
    "suppressing": _before(hard_bounces, "suppress_one"),  # after its letter's settlement, before their commit
    "stopping": _after(stops, "trip"),  # before its commit
    "settling": _before_a_ledger_s_commit,
    "releasing": _after(claims, "release", lambda _: True),  # before its commit
    "finish": _before(deliveries, "finish"),
    "finishing": _after(deliveries, "finish"),  # before its commit
    "recovering": _after(recovery, "recover"),  # before its commit
    "addressing": _after(addressing, "address"),  # before its commit
    "addressed": _before(addressing, "address"),
    "job claimed": _before(worked, "from_payload"),
    "job done": _after(jobs, "succeed"),  # before its commit
    "folded": _after(tallies, "fold"),  # before its commit
}
