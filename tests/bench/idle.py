"""A whole site that nobody visits: its memory and CPU, process by process. `python -m tests.bench.idle` asks Linux.

The memory is the proportional set size (PSS): a page that several processes share is counted once, in shares.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from db.settings import Settings, variable
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


def report(rows: list[tuple[str, float, float]]) -> Reached:
    for words, megabytes, share in rows:
        print(f"{megabytes:7.1f} MB {100 * share:6.2f} %  {words}")
    memory, cpu = sum(row[1] for row in rows), sum(row[2] for row in rows)
    return [
        (f"at most {MOST_MB} MB: {memory:.0f}", memory <= MOST_MB),
        (f"at most {MOST_CPU:.0%} of a core: {cpu:.2%}", cpu <= MOST_CPU),
    ]


def main() -> int:
    """Start `verdicts up` with the demo's content in a folder of its own, let it settle, and measure it."""
    ours = {variable(field) for field in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name not in ours} | {"PORT": str(free_port())}
    with tempfile.TemporaryDirectory(prefix="idle") as folder:
        words = [str(Path(sys.executable).with_name("verdicts")), "up", "--demo"]
        site = psutil.Popen(
            words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            preexec_fn=end_with_parent,
        )  # fmt: skip
        try:
            while "Verdicts is running" not in site.stdout.readline():
                if site.poll() is not None:
                    return 1
            time.sleep(SETTLES)
            return told(report(measure(site, MEASURED)))
        finally:
            site.terminate()
            site.wait()


if __name__ == "__main__":
    sys.exit(main())
