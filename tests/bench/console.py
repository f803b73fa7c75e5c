"""`make bench-console`: every page of the console over 10,000 failed jobs and a digest to a million readers.

Each page is opened as an admin, in this process, by Flask's test client: three times with nothing kept from a page
before it, then five times more. Wall time is judged; CPU is told beside it, as machines tend to be shared.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from flask.testing import FlaskClient

from db import migrations
from db.operators.audit import Actor
from db.session import reading
from tests import crowded, opened
from tests.bench import servers
from tests.bench.whole import use
from tests.bench.wire import Reached, told
from web.actions.accounts import accounts
from web.app import create_app
from web.operator.frame import health, layout
from worker.alerts import alerts
from worker.redis import EmbeddedRedis

MOST_MS = 300
FIRSTS, TIMES = 3, 5
WATCH_SHARE = 0.02
EVERY = 2.0
"""Seconds between two looks of a page that refreshes itself."""


class Took(NamedTuple):
    """What something took, in ms of wall and of CPU: with nothing kept from before, and as people come back to it."""

    first: float
    first_cpu: float
    again: float
    again_cpu: float

    def __str__(self) -> str:
        return f"{self.first:7.0f} ({self.first_cpu:5.0f}){self.again:7.0f} ({self.again_cpu:5.0f})"


def took(work: Callable[[], object], forget: Callable[[], None]) -> Took:
    """Medians: one meeting with other work of the machine is not the page's."""
    firsts, others = [], []
    for _ in range(FIRSTS):
        while any(each.name == "question" for each in threading.enumerate()):
            time.sleep(0.01)  # what the page before still asks beside itself
        forget()
        firsts.append(_timed(work))
    for _ in range(TIMES):
        others.append(_timed(work))
    return Took(*_medians(firsts), *_medians(others))


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    began, spent = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - began) * 1000, (time.process_time() - spent) * 1000


def _medians(found: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(wall for wall, _ in found), statistics.median(cpu for _, cpu in found)


def signed_in() -> FlaskClient:
    """A browser in which an admin has signed in."""
    now, password = datetime.now(UTC), "a lantern over the harbour"
    link = accounts.add(Actor("command: bench"), "dana@newsroom.example", "admin", now)
    accounts.accept(link.rsplit("/", 1)[1], password, None, now)
    client = create_app().test_client()
    found = re.search('name="csrf_token" value="([^"]+)"', client.get("/operator/login").text)
    form = {"address": "dana@newsroom.example", "password": password, "csrf_token": found[1] if found else ""}
    if client.post("/operator/login", data=form).status_code != 303:
        sys.exit("nobody can sign in")
    return client


# ---- pages ---------------------------------------------------------------------------------------------------


def pages(client: FlaskClient, kind: str) -> Reached:
    """Every page once, and then again and again; the slowest of each route is judged."""
    slow = []
    number = 0
    print(f"\n{kind}: ms (and of CPU) with nothing kept, median of {FIRSTS}; again, median of {TIMES}")
    for _, address in opened.addresses(client.application, opened.places()):
        answers = []
        found = took(lambda: answers.append(client.get(address)), lambda: opened.forget(client.application))  # noqa: B023
        status = answers[-1].status_code
        if status >= 500:
            sys.exit(f"{address} answers {status}: {answers[-1].text[:2000]}")
        number += 1
        good = max(found.first, found.again) <= MOST_MS
        slow += [] if good else [address]
        print(
            f"  {'✓' if good else '✕'} {found}  {status}  {address}",
            flush=True,
        )
    said = f"{kind}: {number} pages within {MOST_MS} ms" + (f", but not {', '.join(slow)}" if slow else "")
    return [(said, not slow)]


# ---- what surrounds them, and what watches ---------------------------------------------------------------------


def parts(client: FlaskClient, kind: str, slot: str) -> Reached:
    """What every page and every minute pays; and what a watched page costs the machine that sends."""

    def strip() -> None:
        with reading() as session:
            health.strip(session, datetime.now(UTC))

    def whole_frame() -> None:
        with client.application.test_request_context("/operator"):
            layout.console_layout("operator.overview")

    def look() -> None:
        alerts.look(datetime.now(UTC))

    print(f"\n{kind}: ms (and of CPU) with nothing kept, median of {FIRSTS}; again, median of {TIMES}")
    for name, work in (("health strip", strip), ("frame of a page", whole_frame), ("look for alerts", look)):
        found = took(work, lambda: opened.forget(client.application))
        print(f"    {found}  {name}")
    return [_watched(client, kind, path) for path in ("/operator/overview/now", f"/operator/digests/{slot}/progress")]


def _watched(client: FlaskClient, kind: str, path: str, seconds: float = 30) -> tuple[str, bool]:
    """A browser that asks for a part every two seconds: its share of the machine, by CPU of web and of database."""
    opened.forget(client.application)
    tag, spent, database, times = "", time.process_time(), _database_cpu(), 0
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        answer = client.get(path, headers={"If-None-Match": tag, "X-Live": "1"})
        tag, times = answer.headers.get("ETag", ""), times + 1
        time.sleep(max(0.0, began + times * EVERY - time.monotonic()))
    cost = time.process_time() - spent + _database_cpu() - database
    share = cost / (time.monotonic() - began) / (os.cpu_count() or 1)
    said = f"{kind}: {path}, asked every {EVERY:g} s, takes less than {WATCH_SHARE:.0%} of the machine"
    return f"{said}: {share:.2%} ({cost / times * 1000:.1f} ms of CPU a call)", share < WATCH_SHARE


def _database_cpu() -> float:
    """Seconds of CPU that PostgreSQL's processes for us have taken; 0 on SQLite, whose work is ours."""
    total = 0.0
    with reading() as session:
        if session.get_bind().dialect.name == "sqlite":
            return total
        pids = session.connection().exec_driver_sql(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        )
        for (pid,) in pids.all():
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def run(kind: str, fresh: servers.Fresh, size: crowded.Size) -> Reached:
    """Fill a database of this kind, and open everything."""
    use(DATABASE_URL=fresh())
    migrations.upgrade()
    began = time.monotonic()
    slot = crowded.fill(size)
    crowded.age()
    print(f"\n{kind}: filled in {time.monotonic() - began:.0f} s", flush=True)
    client = signed_in()
    return pages(client, kind) + parts(client, kind, slot)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    given = parser.parse_args()
    reached: Reached = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = EmbeddedRedis(folder / "redis")
        server.start()
        try:
            with servers.postgresql() as postgresql:
                use(REDIS_URL=server.url, SECRET_KEY="a key for measuring")
                for kind, fresh in (("SQLite", servers.sqlite(folder)), ("PostgreSQL", postgresql)):
                    if given.database in ("both", kind.lower()):
                        reached += run(kind, fresh, crowded.Size(readers=given.readers))
        finally:
            server.stop()
    return told(reached)


if __name__ == "__main__":
    sys.exit(main())
