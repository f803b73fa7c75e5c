"""How fast votes are cast: the real site on SQLite, as the Procfile starts it, beside a bare Flask route."""

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
from emails.links import sign_voter
from tests.bench import load

ROOT = Path(__file__).parents[2]
ROUNDS = 3


@contextmanager
def served(app: str) -> Iterator[tuple[int, psutil.Process]]:
    """The Procfile's web line, with this application in place of the site's."""
    port = load.free_port()
    line = parse_procfile((ROOT / "Procfile").read_text()).processes["web"].replace("web.app:app", app)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {line}"], env={**os.environ, "PORT": str(port), "PATH": path},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
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


def measured(app: str, warm: list[bytes], rounds: list[list[bytes]], expect: bytes) -> tuple[float, float]:
    """(requests a second, µs of server CPU a request), the median of the rounds."""
    with served(app) as (port, process):
        load.rate(port, warm, expect)
        rates, costs = [], []
        for requests in rounds:
            before = cpu(process)
            rates.append(load.rate(port, requests, expect))
            costs.append((cpu(process) - before) / len(requests) * 1e6)
    return statistics.median(rates), statistics.median(costs)


def run(requests: int) -> dict[str, float]:
    """Rates and costs of both; every vote is another voter's first, the dearest kind."""
    migrations.upgrade()
    now = datetime.now(UTC)
    fields = dict.fromkeys(("category", "tagline", "entry", "summary"), "x") | {"url": "https://x.example"}
    with writing() as session:
        for number in range(8):
            catalog.put_tool(session, f"tool-{number}", fields | {"name": f"Tool {number}"}, [])

    def batch(size: int) -> list[bytes]:
        cookies = [f"voter={sign_voter(settings().keys, votes.new_voter())}" for _ in range(size)]
        return [
            load.post(f"/tools/tool-{at % 8}/vote", f"choice={('ship', 'skip')[at % 2]}", cookie)
            for at, cookie in enumerate(cookies)
        ]

    bare = [load.post("/vote", "choice=ship")] * requests
    bare_rate, bare_cpu = measured("tests.bench.bare:app", bare[:500], [bare] * ROUNDS, b"HTTP/1.1 200")
    sets = [batch(requests) for _ in range(ROUNDS)]
    vote_rate, vote_cpu = measured("web.app:app", batch(500), sets, b"HTTP/1.1 303")
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
