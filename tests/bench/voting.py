"""How fast votes are cast: the real site, as the Procfile starts it, beside a bare route over granian.

`python -m tests.bench.voting` measures votes alone, on both databases.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
from honcho.environ import parse_procfile
from sqlalchemy import text

from db import migrations
from db.digests import catalog
from db.session import is_sqlite, reading, writing
from db.settings import settings
from db.votes import tallies, votes
from tests.bench import load, servers
from worker.redis import EmbeddedRedis

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


def run(requests: int, rounds: int = ROUNDS) -> dict[str, float]:
    """Rates and costs of both, by turns while both run, so that a slow minute of the machine slows both. Every vote is
    a new browser's first, the dearest kind: it is counted by voter and by network, against limits that are large
    enough."""
    os.environ["VOTES_PER_NETWORK"] = "1000000"
    settings.cache_clear()
    migrations.upgrade()
    _put_tools()
    posts = [load.post("/vote", "choice=ship")] * requests
    cast = [load.post(f"/tools/tool-{at % 8}/vote", f"choice={('ship', 'skip')[at % 2]}") for at in range(requests)]
    turns: list[dict[str, float]] = []
    with served(BARE) as (bare_port, bare), served(SITE) as (port, site):
        load.rate(bare_port, posts[:500], BARE_SAYS)
        load.rate(port, cast[:500], SITE_SAYS)
        database = _server_of_database()
        for _ in range(rounds):
            bare_rate, (bare_cpu,) = _turn(bare_port, posts, BARE_SAYS, bare)
            rate, costs = _turn(port, cast, SITE_SAYS, site, *database)
            turn = {"bare": bare_rate, "bare_cpu": bare_cpu, "votes": rate, "vote_cpu": costs[0]}
            turns.append(turn | {"database_cpu": sum(costs[1:]), "ratio": rate / bare_rate})
    _count(500 + rounds * requests)
    return {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}


BARE_SAYS, SITE_SAYS = b"HTTP/1.1 200", b"HTTP/1.1 303"


def _turn(port: int, requests: list[bytes], expect: bytes, *used_by: psutil.Process) -> tuple[float, list[float]]:
    """Requests a second, and the CPU that each of the servers used for one, in µs."""
    before = [cpu(each) for each in used_by]
    rate = load.rate(port, requests, expect)
    return rate, [(cpu(each) - used) / len(requests) * 1e6 for each, used in zip(used_by, before, strict=True)]


def _server_of_database() -> list[psutil.Process]:
    """PostgreSQL's first process, whose children answer the sessions; SQLite has no server."""
    with reading() as session:
        if is_sqlite(session):
            return []
        parent = psutil.Process(session.scalar(text("SELECT pg_backend_pid()"))).parent()
    return [parent] if parent else []


def _put_tools() -> None:
    fields = dict.fromkeys(("category", "tagline", "entry", "summary"), "x") | {"url": "https://x.example"}
    with writing() as session:
        for number in range(8):
            catalog.put_tool(session, f"tool-{number}", fields | {"name": f"Tool {number}"}, [])


def _count(cast: int) -> None:
    """Every vote that was answered is there, and is counted once."""
    with reading() as session:
        assert votes.dirty(session) == cast, "a vote was lost"
    with writing() as session:
        while tallies.fold(session, datetime.now(UTC)):
            pass
    with reading() as session:
        assert not tallies.check(session).faults
        assert sum(each.ship + each.skip for each in tallies.figures(session, range(1, 9)).values()) == cast


def show(kind: str, found: dict[str, float]) -> None:
    by_cpu = found["bare_cpu"] / found["vote_cpu"]
    print(f"\nOne vote, every one a new browser's, with all limits (two web processes, {kind})")
    print(
        f"  votes                       {found['votes']:9,.0f} a second, {found['vote_cpu']:,.0f} µs of server CPU",
        end="",
    )
    print(f", and {found['database_cpu']:,.0f} of the database's" if found["database_cpu"] else "")
    print(f"  a bare Flask POST           {found['bare']:9,.0f} a second, {found['bare_cpu']:,.0f} µs of server CPU")
    print(
        f"  votes to bare POSTs         {found['ratio']:9.3f} by rate (the turns' median), {by_cpu:.3f} by server CPU"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--votes", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    os.environ["SECRET_KEY"] = "a key for measuring"
    with tempfile.TemporaryDirectory() as folder, servers.postgresql() as fresh:
        os.chdir(folder)
        redis = EmbeddedRedis(Path("redis"))
        redis.start()
        os.environ["REDIS_URL"] = redis.url
        try:
            for kind, url in (("SQLite", servers.sqlite(Path(folder))()), ("PostgreSQL", fresh())):
                os.environ["DATABASE_URL"] = url
                show(kind, run(given.votes, given.rounds))
        finally:
            redis.stop()


if __name__ == "__main__":
    main()
