"""`make bench-million`: a digest to a million readers, addressed and sent, with the memory it takes on the way.

The sender is the Procfile's, with its Redis; letters are small and unsigned, so that the ledger has the most to do.
"""

import argparse
import json
import os
import pty
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
from sqlalchemy import text

from db.engine import engine
from tests.bench import servers
from tests.bench.sender import SLOT, freeze, subscribe
from tests.bench.voting import ROOT
from tests.bench.voting import cpu as cpu_of
from tests.bench.whole import sender, use, wait_until_finished
from tests.bench.wire import Reached, told
from worker import bell
from worker.digests.weekly_run import address_frozen
from worker.redis import EmbeddedRedis, end_with_parent

KILOBYTES = 5
ADDRESSED_SECONDS = {"SQLite": 15, "PostgreSQL": 30}
PEAK_MB = 150
FLAT = 1.1
"""The sender may have grown by a tenth since its first ten thousand letters."""
WATCH_SHARE = 0.02
MILESTONES = (10_000, 100_000, 1_000_000)


def address() -> None:
    """In a process of its own: what the worker does with a frozen digest. Prints seconds and megabytes."""
    began = time.monotonic()
    address_frozen()
    took = time.monotonic() - began
    print(json.dumps({"seconds": took, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def addressed() -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.million", "--address"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


# ---- sending -------------------------------------------------------------------------------------------------


def sent_so_far(readers: int) -> int:
    """Letters that are no longer waiting, by the first that still is: a question that costs nothing."""
    with engine().connect() as connection:
        ask = (
            "SELECT min(id) FROM deliveries WHERE letter = 'digest' AND about = 1 AND state in ('pending', 'deferred')"
        )
        first = connection.execute(text(ask)).scalar()
        return int(first) - 1 if first is not None else readers


def megabytes(process: psutil.Process, line: str) -> float:
    """What the kernel says of the biggest process of this tree; `line` is VmRSS (now) or VmHWM (the peak)."""
    found = [0.0]
    for each in [process, *process.children(recursive=True)]:
        with suppress(OSError):
            said = Path(f"/proc/{each.pid}/status").read_text()
            found += [int(row.split()[1]) / 1024 for row in said.splitlines() if row.startswith(f"{line}:")]
    return max(found)


def send(
    folder: Path, readers: int, say: Callable[[str], None], most: int | None = None
) -> tuple[float, float, dict[int, float]]:
    """(letters a second, peak MB, MB at each milestone) of the sender, from the bell to the last settlement.

    With `most` the sender is ended after about so many letters.
    """
    most = min(most or readers, readers)
    curve: dict[int, float] = {}
    with sender(folder) as process:
        began, spent, seen, heard = datetime.now(UTC).timestamp(), cpu_of(process), 0, time.monotonic()
        bell.publish("mail")
        shown = time.monotonic()
        while (done := sent_so_far(readers)) < most:
            now = time.monotonic()
            if done > seen:
                seen, heard = done, now
            elif now - heard > 3:
                bell.publish("mail")  # as the clock would
                heard = now
            for milestone in MILESTONES:
                if done >= milestone and milestone not in curve:
                    curve[milestone] = megabytes(process, "VmRSS")
            if now - shown > 15:
                shown = now
                rate = done / (datetime.now(UTC).timestamp() - began)
                say(f"{done:,} letters, {rate:,.0f} a second, {megabytes(process, 'VmRSS'):.0f} MB")
            time.sleep(0.5)
        took = (wait_until_finished(120) if most == readers else datetime.now(UTC).timestamp()) - began
        curve[done] = megabytes(process, "VmRSS")
        cost = (cpu_of(process) - spent) / done * 1e6
        say(f"{done:,} letters sent in {took:,.0f} s: {done / took:,.0f} a second, {cost:,.0f} µs of CPU each")
        return done / took, megabytes(process, "VmHWM"), curve


def prepare(readers: int) -> None:
    subscribe(readers)
    freeze(KILOBYTES)


def scale(folder: Path, kind: str, fresh: servers.Fresh, readers: int, most: int) -> Reached:
    """Address so many and send to `most` of them, on one kind of database."""

    def say(line: str) -> None:
        print(f"  {kind:11} {line}", flush=True)

    use(DATABASE_URL=fresh())
    began = time.monotonic()
    prepare(readers)
    say(f"{readers:,} subscribers put in by SQL in {time.monotonic() - began:.0f} s")
    found = addressed()
    say(f"addressed in {found['seconds']:.1f} s, {found['mb']:.0f} MB")
    _, peak, curve = send(folder, readers, say, most)
    say("memory of the sender: " + ", ".join(f"{mb:.0f} MB at {number:,}" for number, mb in curve.items()))
    say(f"peak of the processes that address and send: {max(peak, found['mb']):.0f} MB")
    sizes = list(curve.values())
    most = ADDRESSED_SECONDS[kind] * max(1, readers / 1_000_000)
    return [
        (f"{kind}: addressed within {most:.0f} s: {found['seconds']:.1f}", found["seconds"] <= most),
        (f"{kind}: at most {PEAK_MB} MB: {max(peak, found['mb']):.0f}", max(peak, found["mb"]) <= PEAK_MB),
        (f"{kind}: memory stays flat, {sizes[0]:.0f} MB and at last {sizes[-1]:.0f}", sizes[-1] <= FLAT * sizes[0]),
    ]


# ---- watch ---------------------------------------------------------------------------------------------------


@contextmanager
def watching() -> Iterator[list[float]]:
    """`verdicts digest watch` in a terminal; afterwards the seconds of CPU that it took, and its peak in MB."""
    found: list[float] = []
    ours, terminal = pty.openpty()
    program = str(Path(sys.executable).with_name("verdicts"))
    command = [program, "digest", "watch", SLOT]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        command, stdout=terminal, stderr=terminal, env=environment, cwd=ROOT, preexec_fn=end_with_parent
    )
    os.close(terminal)
    threading.Thread(target=_drain, args=(ours,), daemon=True).start()
    yield found
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("watch failed")
    found += [used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]


def _drain(terminal: int) -> None:
    with suppress(OSError):
        while os.read(terminal, 65536):
            pass


def watch(folder: Path, kind: str, fresh: servers.Fresh, readers: int, pairs: int) -> Reached:
    """What `watch` costs the send: the same send without and with it, in turn (without, with, with, without…)."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    shares, most = [], 0.0
    order = [at % 4 in (1, 2) for at in range(2 * pairs)]
    for watched in order:
        use(DATABASE_URL=fresh())
        prepare(readers)
        addressed()
        began = time.monotonic()
        with watching() if watched else nullcontext() as found:
            rate, _, _ = send(folder, readers, lambda line: None)
        rates[watched].append(rate)
        if found:
            shares.append(found[0] / (time.monotonic() - began) / (os.cpu_count() or 1))
            most = max(most, found[1])
    without, with_ = (sum(rates[each]) / len(rates[each]) for each in (False, True))
    said = " / ".join(f"{rate:,.0f}" for rate in rates[False]), " / ".join(f"{rate:,.0f}" for rate in rates[True])
    share = sum(shares) / len(shares)
    print(f"  {kind:11} watch: {said[0]} letters a second without it, {said[1]} with it ({with_ / without - 1:+.1%})")
    print(f"  {kind:11} watch took {share:.1%} of the machine's CPU, {most:.0f} MB", flush=True)
    return [
        (f"{kind}: watch takes less than {WATCH_SHARE:.0%} of the machine: {share:.1%}", share < WATCH_SHARE),
        (f"{kind}: watch needs at most {PEAK_MB} MB: {most:.0f}", most <= PEAK_MB),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--sent", type=int, default=1_000_000, help="letters after which the sender is ended")
    parser.add_argument("--watched", type=int, default=100_000, help="readers in the runs with and without watch")
    parser.add_argument("--pairs", type=int, default=2, help="pairs of such runs")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--address", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.address:
        address()
        return 0
    reached: Reached = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # smtp-sink runs as nobody
        server = EmbeddedRedis(folder / "redis")
        server.start()
        try:
            with servers.taker(folder) as port, servers.postgresql() as postgresql:
                use(MAIL_URL=f"smtp://127.0.0.1:{port}", MAIL_FROM="Verdicts <digest@verdicts.example>",
                    REDIS_URL=server.url, SECRET_KEY="a key for measuring")  # fmt: skip
                kinds = {"SQLite": servers.sqlite(folder), "PostgreSQL": postgresql}
                print(f"\nA digest of {KILOBYTES} KB to {given.readers:,} readers, unsigned")
                for kind, fresh in kinds.items():
                    if given.database in ("both", kind.lower()):
                        reached += scale(folder, kind, fresh, given.readers, given.sent)
                        if given.pairs:
                            reached += watch(folder, kind, fresh, given.watched, given.pairs)
        finally:
            server.stop()
    return told(reached)


if __name__ == "__main__":
    sys.exit(main())
