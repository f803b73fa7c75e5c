"""How fast votes are cast: the real site on SQLite, as the Procfile starts it, beside a bare route over granian."""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
from honcho.environ import parse_procfile

from db import migrations
from db.digests import catalog
from db.session import reading, writing
from db.settings import settings
from db.votes import tallies, votes
from tests.bench import load

ROOT = Path(__file__).parents[2]
ROUNDS = 3


SITE = parse_procfile((ROOT / "Procfile").read_text()).processes["web"]
BARE = (
    "granian --interface wsgi --host 127.0.0.1 --port $PORT --workers 2 --blocking-threads 5 --backpressure 128 --no-ws"
    " tests.bench.bare:app"
)
"""A bare Flask application over granian's WSGI interface, whatever serves the site."""


@contextmanager
def served(line: str) -> Iterator[tuple[int, psutil.Process]]:
    """A line of the Procfile, or the bare application's."""
    port = load.free_port()
    programs = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PORT": str(port), "PATH": programs}
    command, quiet = ["sh", "-c", f"exec {line}"], subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    try:
        load.wait_until_open(port)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def cpu(process: psutil.Process) -> float:
    """Seconds of CPU that the process and its children have used."""
    used = 0.0
    for each in [process, *process.children(recursive=True)]:
        times = each.cpu_times()
        used += times.user + times.system
    return used


def measured(
    line: str, warm: list[bytes], rounds: list[list[bytes]], expect: bytes, connections: int = 16
) -> tuple[float, float]:
    """(requests a second, µs of server CPU a request), the median of the rounds."""
    with served(line) as (port, process):
        load.rate(port, warm, expect, connections)
        rates, costs = [], []
        for requests in rounds:
            before = cpu(process)
            rates.append(load.rate(port, requests, expect, connections))
            costs.append((cpu(process) - before) / len(requests) * 1e6)
    return statistics.median(rates), statistics.median(costs)


def run(requests: int) -> dict[str, float]:
    """Rates and costs of both. Every vote is a new browser's first, the dearest kind: it is counted by voter and by
    network, against limits that are large enough."""
    os.environ["VOTES_PER_NETWORK"] = "1000000"
    settings.cache_clear()
    migrations.upgrade()
    now = datetime.now(UTC)
    fields = dict.fromkeys(("category", "tagline", "entry", "summary"), "x") | {"url": "https://x.example"}
    with writing() as session:
        for number in range(8):
            catalog.put_tool(session, f"tool-{number}", fields | {"name": f"Tool {number}"}, [])

    def batch(size: int) -> list[bytes]:
        return [load.post(f"/tools/tool-{at % 8}/vote", f"choice={('ship', 'skip')[at % 2]}") for at in range(size)]

    bare = [load.post("/vote", "choice=ship")] * requests
    bare_rate, bare_cpu = measured(BARE, bare[:500], [bare] * ROUNDS, b"HTTP/1.1 200")
    sets = [batch(requests) for _ in range(ROUNDS)]
    vote_rate, vote_cpu = measured(SITE, batch(500), sets, b"HTTP/1.1 303")
    cast = 500 + ROUNDS * requests
    with reading() as session:
        assert votes.dirty(session) == cast, "a vote was lost"
    with writing() as session:
        while tallies.fold(session, now):
            pass
    with reading() as session:
        assert not tallies.check(session).faults
        assert sum(each.ship + each.skip for each in tallies.figures(session, range(1, 9)).values()) == cast
    return {"bare": bare_rate, "bare_cpu": bare_cpu, "votes": vote_rate, "vote_cpu": vote_cpu}
