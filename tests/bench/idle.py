"""A whole site that nobody visits: its memory and CPU, process by process. `python -m tests.bench.idle` asks Linux.

The memory is the proportional set size (PSS): a page that several processes share is counted once, in shares.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from db.settings import Settings, variable
from tests.bench import servers
from tests.bench.load import free_port
from tests.bench.wire import Reached, told
from worker.redis import end_with_parent

SETTLES, MEASURED = 20.0, 60.0
"""Seconds after the site answers, and seconds of which the CPU is measured."""
MOST_MB, MOST_CPU = 450, 0.03
"""The targets: megabytes (10^6 bytes), and the share of one core."""


def measure(site: psutil.Process, seconds: float) -> list[tuple[str, float, float]]:
    """Of each process its command, its megabytes and its share of a core."""
    family = [site, *site.children(recursive=True)]
    before = {each: _cpu(each) for each in family}
    time.sleep(seconds)
    return [(_words(each), _pss(each.pid), (_cpu(each) - before[each]) / seconds) for each in family]


def _words(process: psutil.Process) -> str:
    program, *words = process.cmdline()
    return " ".join([Path(program).name, *words])[:70].rstrip()


def _cpu(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def _pss(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in rollup.splitlines() if line.startswith("Pss:"))


def report(kind: str, rows: list[tuple[str, float, float]]) -> Reached:
    print(f"\nOn {kind}")
    for words, megabytes, share in rows:
        print(f"{megabytes:7.1f} MB {100 * share:6.2f} %  {words}")
    memory, cpu = sum(row[1] for row in rows), sum(row[2] for row in rows)
    return [
        (f"{kind}: at most {MOST_MB} MB: {memory:.0f}", memory <= MOST_MB),
        (f"{kind}: at most {MOST_CPU:.0%} of a core: {cpu:.2%}", cpu <= MOST_CPU),
    ]


@contextmanager
def site(folder: Path, database: str) -> Iterator[psutil.Process]:
    """`verdicts up` with the demo's content in this folder, once it answers."""
    ours = {variable(field) for field in Settings.model_fields}
    told = {"PORT": str(free_port()), "DATABASE_URL": database, "SECRET_KEY": secrets.token_hex(32)}
    running = psutil.Popen(
        [str(Path(sys.executable).with_name("verdicts")), "up", "--demo"], cwd=folder, text=True,
        env={name: value for name, value in os.environ.items() if name not in ours} | told,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=end_with_parent,
    )  # fmt: skip
    try:
        while "Verdicts is running" not in (line := running.stdout.readline()):
            if not line:
                raise SystemExit("verdicts up did not start.")
        yield running
    finally:
        running.terminate()
        running.wait()


def main() -> int:
    """Let a site settle and measure it, on both kinds of database. PostgreSQL's own server is not counted."""
    reached: Reached = []
    with tempfile.TemporaryDirectory(prefix="idle") as name, servers.postgresql() as postgresql:
        folder = Path(name)
        for kind, fresh in (("SQLite", servers.sqlite(folder)), ("PostgreSQL", postgresql)):
            with site(folder, fresh()) as running:
                time.sleep(SETTLES)
                reached += report(kind, measure(running, MEASURED))
    return told(reached)


if __name__ == "__main__":
    sys.exit(main())
