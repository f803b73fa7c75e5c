"""A mail server far away: how the rate grows with SEND_CONNECTIONS when every answer takes a round trip.

`python -m tests.bench.delays` puts a delaying process (tests/bench/far.py) before the sink.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import servers
from tests.bench.wire import Reached, send, told
from worker.redis import end_with_parent

ROUND_TRIPS = (20, 50)
CONNECTIONS = (1, 2, 4, 8, 16)
IN_PROPORTION = 0.8
"""Sixteen connections reach at least so much of sixteen times one connection's rate."""


@contextmanager
def far_away(port: int, milliseconds: int) -> Iterator[int]:
    """The same server, this round trip away; its port."""
    command = [sys.executable, "-m", "tests.bench.far", str(port), str(milliseconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=end_with_parent)
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def run(folder: Path, seconds: float, signs: tuple[str, ...] = ("none", "rsa")) -> Reached:
    """Every round trip, signature and number of connections, each for about so many seconds, on both databases."""
    reached: Reached = []
    print(f"\nLetters a second by SEND_CONNECTIONS, 58 KB, one process, some {seconds:.0f} s each")
    print(" " * 36 + "".join(f"{number:>7}" for number in CONNECTIONS) + "   16 to 1")
    with servers.taker(folder) as port, servers.postgresql() as postgresql:
        for milliseconds in ROUND_TRIPS:
            for kind, fresh in (("SQLite", servers.sqlite(folder)), ("PostgreSQL", postgresql)):
                for sign in signs:
                    with far_away(port, milliseconds) as far:
                        rates = [_rate(far, milliseconds, number, seconds, sign, fresh()) for number in CONNECTIONS]
                    growth = rates[-1] / rates[0]
                    named = f"{milliseconds} ms, {kind}, {'unsigned' if sign == 'none' else 'RSA-signed'}"
                    print(f"  {named:34}" + "".join(f"{rate:7.0f}" for rate in rates) + f"{growth:10.1f}", flush=True)
                    least = IN_PROPORTION * CONNECTIONS[-1] / CONNECTIONS[0]
                    reached.append(
                        (f"{named}: 16 connections at least {least:.1f} times one: {growth:.1f}", growth >= least)
                    )
    return reached


def _rate(port: int, milliseconds: int, connections: int, seconds: float, sign: str, database: str) -> float:
    """A letter takes one round trip: its commands go out behind the letter before it."""
    letters = max(20, int(connections * seconds * 1000 / milliseconds))
    rate: float = send(port, letters, sign, database, SEND_CONNECTIONS=connections)["per_second"]
    return rate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # smtp-sink runs as nobody
        os.environ["SECRET_KEY"] = "a key for measuring"
        os.chdir(folder)
        return told(run(folder, given.seconds))


if __name__ == "__main__":
    sys.exit(main())
