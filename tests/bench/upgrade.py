"""`python -m tests.bench.upgrade`: a database of a million readers is upgraded beside a site at work and a back-up.

It is made at an older release's revision, filled, and brought to this release by `verdicts db upgrade`: once beside a
transaction that reads all tables for 25 seconds, and once killed twice amid the work and run again. Rows are counted
before and after. With `--release FOLDER` an older release's checkout, with its `.venv`, makes the database itself.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from db import schema
from db.engine import engine
from db.session import reading
from tests.bench import older, servers
from tests.bench.at_work import Site, Waits, at_work, backed_up
from tests.bench.whole import use
from tests.bench.wire import Reached, told

VERDICTS = str(Path(sys.executable).with_name("verdicts"))
MOST_SECONDS = 2.0
"""How long an upgrade may hold up anybody who writes or reads."""
BACK_UP, QUIET = 25.0, 5.0
COUNTED = ("subscribers", "consents", "deliveries", "votes", "suppressions", "jobs", "relays")
Say = Callable[[str], None]


# ---- upgrades ----------------------------------------------------------------------------------------------------


def counts() -> dict[str, int]:
    with reading() as session:
        return {name: int(session.scalar(text(f"SELECT count(*) FROM {name}")) or 0) for name in COUNTED}


def upgrade() -> "subprocess.Popen[str]":
    words = [VERDICTS, "db", "upgrade"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(process: "subprocess.Popen[str]", say: Say) -> bool:
    """Wait for the upgrade and tell its lines; whether it succeeded."""
    began = time.monotonic()
    lines = process.communicate(timeout=900)[0].splitlines()
    for line in lines:
        say(f"  {line}")
    say(f"the command ended with {process.returncode} after {time.monotonic() - began:.1f} s")
    return process.returncode == 0 and schema.standing().answer == "this"


def beside_a_back_up(say: Say) -> tuple[bool, Site, float]:
    """(whether it succeeded, the site that was at work, when the upgrade began)."""
    opened = threading.Event()

    def back_up() -> None:
        with backed_up():
            opened.set()
            time.sleep(BACK_UP)
        say(f"the back-up ended after {BACK_UP:.0f} s")

    reader = threading.Thread(target=back_up)
    with at_work() as site:
        time.sleep(QUIET)
        reader.start()
        opened.wait()
        began = time.monotonic()
        good = finished(upgrade(), say)
        reader.join()
        time.sleep(1)
    return good, site, began


def killed_twice(say: Say) -> tuple[bool, Site, float]:
    """The same without the back-up, killed as soon as a revision stands and then amid what follows, and run again."""
    with at_work() as site:
        time.sleep(QUIET)
        began = time.monotonic()
        for amid in (0.0, 0.5):
            stood = schema.standing().revision
            process = upgrade()
            while schema.standing().revision == stood and process.poll() is None:
                time.sleep(0.005)
            time.sleep(amid)
            process.kill()
            process.communicate()
            say(f"killed (exit code {process.returncode}) at revision {schema.standing().revision}")
        good = finished(upgrade(), say)
        time.sleep(1)
    return good, site, began


# ---- what is told ------------------------------------------------------------------------------------------------


def judged(kind: str, how: str, run: Callable[[Say], tuple[bool, Site, float]]) -> Reached:
    def say(line: str) -> None:
        print(f"  {kind:11} {how}: {line}", flush=True)

    schema.forget()
    before = counts()
    good, site, began = run(say)
    kinds: dict[str, Waits] = {
        "sign-ups": site.sign_ups, "votes": site.votes, "pages": site.pages, "a sender's batches": site.sender
    }  # fmt: skip
    for name, waits in kinds.items():
        before_it, beside_it = waits.longest(until=began), waits.longest(since=began)
        say(f"{name}: {len(waits.found):,}; longest {beside_it:.2f} s ({before_it:.2f} s before it began)")
        for sentence in waits.failed[:3]:
            say(f"{name}: failed: {sentence}")
    expected = {name: number + site.written.get(name, 0) for name, number in before.items()}
    expected["relays"] += 1  # the domain that refuses the site's sender
    lost = {name: (expected[name], found) for name, found in counts().items() if found != expected[name]}
    with reading() as session:
        query = "SELECT count(*) FROM suppressions WHERE subscriber_id IS NOT NULL"
        say(f"suppressions that name a reader now: {session.scalar(text(query)):,}")
    longest = max(waits.longest(since=began) for waits in kinds.values())
    return [
        (f"{kind}, {how}: it succeeded", good),
        (f"{kind}, {how}: nobody waited {MOST_SECONDS:.0f} s: {longest:.2f}", longest < MOST_SECONDS),
        (f"{kind}, {how}: nothing failed", not any(waits.failed for waits in kinds.values())),
        (f"{kind}, {how}: no row is lost: {lost or sum(expected.values())}", not lost),
    ]


def measure(kind: str, fresh: servers.Fresh, given: argparse.Namespace) -> Reached:
    use(DATABASE_URL=(old := fresh()))
    began = time.monotonic()
    older.make(given.revision, given.release)
    older.fill(given.readers)
    print(f"  {kind:11} revision {given.revision}, {counts()} in {time.monotonic() - began:.0f} s", flush=True)
    copy = older.copied(old, fresh)
    reached = judged(kind, "beside a back-up", beside_a_back_up)
    engine().dispose()
    use(DATABASE_URL=copy)
    return reached + judged(kind, "killed twice", killed_twice)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--revision", default="0009", help="0004 or later; 0009 is release 0.1.0's")
    parser.add_argument("--release", type=Path, help="an older release's folder, whose .venv makes the database")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    given = parser.parse_args()
    reached: Reached = []
    with tempfile.TemporaryDirectory() as folder, servers.postgresql() as postgresql:
        use(SECRET_KEY="a key for measuring")
        print(f"\nAn upgrade from revision {given.revision} to {schema.REVISION} over {given.readers:,} readers")
        for kind, fresh in {"SQLite": servers.sqlite(Path(folder)), "PostgreSQL": postgresql}.items():
            if given.database in ("both", kind.lower()):
                reached += measure(kind, fresh, given)
        engine().dispose()
    return told(reached)


if __name__ == "__main__":
    sys.exit(main())
