"""What each part of the ledger costs a letter: claim, compose, settle, give back, without any mail server.

`python -m tests.bench.parts` prints µs of the thread's own CPU on both databases. To compare two states of the code,
run it in both by turns: on a shared machine two runs of the same code differ by a third.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from db.deliveries.claiming import claims, settlements
from db.deliveries.claiming.claims import Batch, Terms
from db.deliveries.claiming.settlements import Settlement
from db.driver import DriverConnection, driver_connection
from db.session import reading, writing
from db.settings import settings
from tests.bench import sender, servers
from worker.letters import composing

LETTERS, BATCH, WINDOW = 4000, 200, 8
LEASE = timedelta(seconds=30)


@contextmanager
def timed(costs: dict[str, float], name: str) -> Iterator[None]:
    began = time.thread_time()
    yield
    costs[name] = (time.thread_time() - began) / LETTERS * 1e6


def claimed() -> Batch:
    with writing() as session:
        batch = claims.claim(session, Terms("parts", BATCH, WINDOW, LEASE, connections=99), 1, datetime.now(UTC))
    assert isinstance(batch, Batch)
    return batch


def settle(kept: DriverConnection, batch: Batch) -> None:
    for at in range(0, BATCH, WINDOW):
        begun, next_ = batch.letters[at : at + WINDOW], batch.letters[at + WINDOW : at + 2 * WINDOW]
        sent = [Settlement(letter.id, "sent", None, 250, "250 2.0.0 taken") for letter in begun]
        settlements.settle(kept, batch, sent, next_, LEASE, datetime.now(UTC))


def parts() -> dict[str, float]:
    """µs of CPU a letter, by part, on a new database."""
    sender.prepare(LETTERS)
    with reading() as session:
        composer = composing.composer(session, "digest", 1)
    costs: dict[str, float] = {}
    with driver_connection() as kept:
        with timed(costs, "claim"):
            batches = [claimed() for _ in range(LETTERS // BATCH)]
        with timed(costs, "compose"):
            for batch in batches:
                for letter in batch.letters:
                    composer.write(letter)
        with timed(costs, "settle"):
            for batch in batches:
                settle(kept, batch)
        with timed(costs, "give back"):
            for batch in batches:
                with writing() as session:
                    claims.release(session, batch, datetime.now(UTC))
    return costs


def main() -> int:
    os.environ |= {"SECRET_KEY": "a key for measuring", "MAIL_FROM": "Verdicts <digest@verdicts.example>"}
    with tempfile.TemporaryDirectory() as name, servers.postgresql() as postgresql:
        for kind, fresh in (("SQLite", servers.sqlite(Path(name))), ("PostgreSQL", postgresql)):
            os.environ["DATABASE_URL"] = fresh()
            settings.cache_clear()
            costs = parts()
            print(f"{kind:11}" + "".join(f"{part:>12} {cost:5.1f}" for part, cost in costs.items()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
