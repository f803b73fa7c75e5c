"""`make bench`: what a letter and a vote cost, beside yardsticks measured in the same run."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from db.settings import settings
from emails import letters
from emails.messages.message import EncodedLetter, Recipient, date_header
from emails.messages.sender_identity import SenderIdentity
from tests.bench import delays, limiting, reading, servers, voting, whole, wire, yardsticks
from tests.emails.people import SITE, WEEK
from worker.redis import EmbeddedRedis

LETTER_US = 250
VOTE_RATIO = 0.15
VOTE_RATIO_POSTGRESQL = 0.10


def sending(port: int, letters_: int, rounds: int) -> dict[str, Any]:
    """The sender with its ledger on a fresh SQLite database: the median round by CPU."""
    found, fresh = [], servers.sqlite(Path.cwd())
    for _ in range(rounds):
        environment = {**os.environ, "DATABASE_URL": fresh(), "MAIL_URL": f"smtp://127.0.0.1:{port}"}
        command = [sys.executable, "-m", "tests.bench.sender", "--letters", str(letters_)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        if done.returncode:
            sys.exit(done.stderr)
        found.append(json.loads(done.stdout))
    return sorted(found, key=lambda one: one["cpu_us"])[rounds // 2]


def took(work: Callable[[], object], times: int) -> float:
    """The median µs of CPU of one call."""
    costs = []
    for _ in range(times):
        began = time.process_time_ns()
        work()
        costs.append((time.process_time_ns() - began) / 1000)
    return statistics.median(costs)


def composing() -> dict[str, float]:
    """What is done once a digest, and what is done for each recipient."""
    letter = letters.digest(WEEK, SITE)
    origin = SenderIdentity.of(settings())
    frame = EncodedLetter(letter, origin)
    marks = dict.fromkeys(frame.marks, "x" * 40)
    recipient = Recipient("reader@reader.example", "<1@verdicts.example>", "bounce@verdicts.example", marks)
    date = date_header(WEEK.due)

    def hundred() -> None:
        for _ in range(100):
            frame.message(recipient, date)

    return {
        "render": took(lambda: letters.digest(WEEK, SITE), 5),
        "encode": took(lambda: EncodedLetter(letter, origin), 5),
        "message": took(hundred, 20) / 100,
        "bytes": len(frame.message(recipient, date)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=3000)
    parser.add_argument("--votes", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["SECRET_KEY"] = "a key for measuring"
        with servers.python_sink() as port:
            least = yardsticks.bytes_alone(port, given.letters)
            usual = yardsticks.tutorial(port, 100)
            sent = sending(port, given.letters, given.rounds)
        composed = composing()
        redis = EmbeddedRedis(Path("redis"))
        redis.start()
        os.environ["REDIS_URL"] = redis.url
        settings.cache_clear()
        try:
            votes = voting.run(given.votes)
            on_postgresql = _votes_on_postgresql(given.votes)
        finally:
            redis.stop()
        there = Path(folder)
        pages = reading.run(there, given.votes)
        there.chmod(0o755)  # smtp-sink runs as nobody
        reached = [on_postgresql, *wire.beside_postfix(there, given.letters, given.rounds)]
        reached += wire.cpu(there, given.letters, given.rounds)
        reached += delays.run(there, 8, ("rsa",))
        reached += whole.run(there, 4 * given.letters, given.rounds)
        reached += limiting.run() + pages
    return report(least, usual, sent, composed, votes, reached)


def _votes_on_postgresql(number: int) -> tuple[str, bool]:
    with servers.postgresql() as fresh:
        os.environ["DATABASE_URL"] = fresh()
        found = voting.run(number)
    del os.environ["DATABASE_URL"]
    settings.cache_clear()
    voting.show("PostgreSQL", found)
    ratio = found["ratio"]
    said = f"votes on PostgreSQL reach {VOTE_RATIO_POSTGRESQL:.2f} of a bare POST's rate: {ratio:.3f}"
    return said, ratio >= VOTE_RATIO_POSTGRESQL


def report(
    least: float,
    usual: float,
    sent: dict[str, Any],
    composed: dict[str, float],
    votes: dict[str, float],
    reached: wire.Reached,
) -> int:
    """Print the figures; exit code 1 when a target is missed."""
    letter = sent["cpu_us"]
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(f"One letter of 58 KB, SQLite ledger included ({sent['letters']} letters, SMTP on loopback)")
    print(f"  CPU of the sender           {letter:9,.0f} µs")
    print(f"  the same bytes, only pushed {least:9,.0f} µs    a letter costs {letter / least:.1f} times that")
    print(f"  the usual tutorial's way    {usual:9,.0f} µs    {usual / letter:.0f} times a letter's cost")
    print(f"  sender, sink and ledger     {sent['per_second']:9,.0f} letters a second, peak {sent['peak_mb']:.0f} MB")
    print(f"\nOne digest of {composed['bytes'] / 1024:.0f} KB")
    print(f"  rendered once               {composed['render']:9,.0f} µs")
    print(f"  encoded once                {composed['encode']:9,.0f} µs")
    print(f"  each recipient's message    {composed['message']:9,.1f} µs")
    voting.show("SQLite", votes)
    print()
    ratio = votes["ratio"]
    reached = [
        *reached,
        (f"a letter costs at most {LETTER_US} µs: {letter:.0f}", letter <= LETTER_US),
        (f"votes reach {VOTE_RATIO} of a bare POST's rate: {ratio:.3f}", ratio >= VOTE_RATIO),
    ]
    for said, good in reached:
        print(("✓ " if good else "✕ ") + said)
    return 0 if all(good for _, good in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
