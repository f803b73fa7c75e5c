"""How servers stand slow clients: 2,000 silent connections, 20 slow forms and 20 slow readers at once, then too much.

`python -m tests.bench.front` compares all candidates by turns and prints a table: some thirteen minutes, of which the
first one installs what the lock does not have. Names choose some of them; `--rounds 2` does everything twice.
"""

import argparse
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.bench import load
from tests.bench.front_candidates import CANDIDATES, install, program
from tests.bench.slow_clients import Crowd, ask

ROOT = Path(__file__).resolve().parents[2]
PAGE = b"GET /told HTTP/1.1\r\nHost: localhost\r\n\r\n"
FORM = b"POST /told HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nchoice=ship"
KEPT = b"GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = b"GET /slow?seconds=0.25 HTTP/1.1\r\nHost: localhost\r\nCookie: voter=1\r\n\r\n"
SECONDS, PATIENCE, TOO_MANY, RETRY = 22.0, 3.0, 150, 0.2
COLUMNS = (
    "server", "others answered", "median, worst", "silent", "half-sent", "a byte a second", "over capacity: refused",
    "after (median, longest)", "a kept page, retries", "a page afresh, retries", "kept pages", "pages", "memory",
)  # fmt: skip


@dataclass
class Tried:
    """What one candidate did, over all rounds."""

    cells: list[str] = field(default_factory=list)
    rates: dict[bytes, list[float]] = field(default_factory=lambda: {KEPT: [], PAGE: []})
    memory: float = 0.0


@contextmanager
def running(name: str, packages: Path) -> Iterator[tuple[int, float]]:
    """The candidate's port and memory (PSS in MB, after a first answer), as long as it runs."""
    port, behind = load.free_port(), load.free_port()
    candidate = CANDIDATES[name]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.chmod(folder, 0o755)  # nginx's worker is another user where its parent is root
        for file, text in candidate.files.items():
            Path(folder, file).write_text(text.format(port=port, behind=behind, folder=folder))
        environment = os.environ | {
            "PORT": str(port), "PYTHONPATH": f"{ROOT}{os.pathsep}{packages}", "SECRET_KEY": "a key for the benchmark",
            "DATABASE_URL": f"sqlite:///{folder}/site.sqlite3", "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder,
            "HOME": folder,
        }  # fmt: skip
        started = []
        for command in candidate.commands:
            words = shlex.split(command.format(port=port, behind=behind, folder=folder))
            words[0] = program(words[0], packages) or words[0]
            quiet = None if os.environ.get("SHOW") else subprocess.DEVNULL
            process = subprocess.Popen(words, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)
            started.append(process)
            stack.callback(_end, process)
        load.wait_until_open(port)
        _until_it_answers(port)
        yield port, sum(map(_memory, started))


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _until_it_answers(port: int) -> None:
    for _ in range(100):
        if ask(port, PAGE, 10)[1].startswith(b"HTTP/1.1 200"):
            return
        time.sleep(0.2)
    raise SystemExit("it never answers")


def _memory(process: subprocess.Popen[bytes]) -> float:
    those = [root := psutil.Process(process.pid), *root.children(recursive=True)]
    return sum(each.memory_full_info().pss for each in those) / 1e6


def beside_the_crowd(port: int) -> list[str]:
    """What one more client gets, and what becomes of the crowd."""
    crowd = Crowd(port, large=b"GET /wide HTTP/1.1\r\nHost: localhost\r\n\r\n")
    crowd.gather()
    watching = crowd.start()
    end = time.monotonic() + SECONDS
    found = []
    while time.monotonic() < end:
        found += [ask(port, request, PATIENCE) for request in (PAGE, FORM)]
        time.sleep(0.1)
    crowd.over.set()
    watching.join()
    crowd.leave()
    good = [seconds for seconds, answer in found if answer.startswith(b"HTTP/1.1 200")]
    waits = f"{statistics.median(good) * 1000:.0f} ms, {max(good) * 1000:.0f} ms" if good else "–"
    ends = [_ends(crowd, kind) for kind in ("silent", "half a form", "a byte a second")]
    return [f"{len(good)} of {len(found)}", waits, *ends]


def _ends(crowd: Crowd, kind: str) -> str:
    those = crowd.of(kind)
    ended = [client.closed for client in those if client.closed is not None]
    if len(ended) < len(those):
        return f"{len(ended)} of {len(those)}"
    statuses = {client.answer[9:12].decode() for client in those} - {""}
    return f"{max(ended, default=0):.0f} s {' '.join(statuses)}".strip()


def over_capacity(port: int) -> list[str]:
    """What those get who ask for too much, and what others get who ask for a page meanwhile."""
    over, asked, lock = threading.Event(), [], threading.Lock()

    def hammer() -> None:
        while not over.is_set():
            got = ask(port, SLOW, 10)
            with lock:
                asked.append(got)
            over.wait(RETRY)

    threads = [threading.Thread(target=hammer, daemon=True) for _ in range(TOO_MANY)]
    for each in threads:
        each.start()
    time.sleep(2)
    pages = [_opened(port, KEPT), _opened(port, PAGE)]
    over.set()
    end = time.monotonic() + 11
    for each in threads:
        each.join(max(0.0, end - time.monotonic()))
    refused = sorted(seconds for seconds, answer in asked if answer.startswith(b"HTTP/1.1 503"))
    if not refused:
        return [f"0 of {len(asked)}", "–", *pages]
    told = f"{len(refused)} of {len(asked)}"
    if any(b"\r\nretry-after:" not in answer.lower() for _, answer in asked if answer.startswith(b"HTTP/1.1 503")):
        told += ", no Retry-After"
    return [told, f"{statistics.median(refused):.2f} s, {refused[-1]:.1f} s", *pages]


def _opened(port: int, request: bytes) -> str:
    """The longest of fifteen times until the page is there, and how often it had to be asked for again. After twelve
    seconds there are no more."""
    longest, retries, over = 0.0, 0, time.monotonic() + 12
    for _ in range(15):
        began = time.monotonic()
        while not ask(port, request, 10)[1].startswith(b"HTTP/1.1 200") and time.monotonic() < over:
            retries += 1
            time.sleep(RETRY)
        longest = max(longest, time.monotonic() - began)
        if time.monotonic() > over:
            break
        time.sleep(0.1)
    return f"{longest:.2f} s, {retries}"


def rate(port: int, request: bytes) -> float:
    """Answers a second to one who has the server alone; 0 when they stop."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(20)
    try:
        return load.rate(port, [request] * 1500, b"HTTP/1.1 200")
    except (OSError, SystemExit):
        return 0.0
    finally:
        signal.alarm(0)


def _too_long(*_: object) -> None:
    raise TimeoutError


def try_it(name: str, packages: Path, tried: Tried, say: Callable[[str], None]) -> None:
    """One round with one candidate."""
    with running(name, packages) as (port, tried.memory):
        for request, rates in tried.rates.items():
            rates.append(rate(port, request))
        tried.cells = [*beside_the_crowd(port), *over_capacity(port)]
    say(f"{name}: {' | '.join(tried.cells)}")


def table(tried: dict[str, Tried]) -> str:
    """All of them beside each other; rates and memory as ratios to the first one's."""
    first = next(iter(tried.values()))

    def ratio(each: Tried, request: bytes) -> str:
        own, others = (statistics.median(one.rates[request] or [0]) for one in (first, each))
        return f"{others / own:.2f}" if own and others else "–"

    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    for name, each in tried.items():
        cells = each.cells or ["–"] * 9
        lines.append((name, *cells, ratio(each, KEPT), ratio(each, PAGE), f"{each.memory:.0f} MB"))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*CANDIDATES, []])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--packages", type=Path, default=ROOT / "var" / "fronts", help="where to install them")
    given = parser.parse_args()
    packages = given.packages.resolve()
    if not (packages / "bin").exists():
        install(packages)
    tried = {name: Tried() for name in given.names or CANDIDATES}
    print(f"load before: {os.getloadavg()}", flush=True)
    for _ in range(given.rounds):
        for name, each in tried.items():
            try:
                try_it(name, packages, each, lambda text: print(text, file=sys.stderr, flush=True))
            except (SystemExit, psutil.Error) as why:
                each.cells = [str(why), *[""] * 8]
    print(f"load after: {os.getloadavg()}", flush=True)
    print(table(tried))


if __name__ == "__main__":
    main()
