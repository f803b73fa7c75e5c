"""How fast pages are read: the real site on SQLite, as the Procfile starts it, beside a bare Flask route.

`python -m tests.bench.reading` measures pages alone.
"""

import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from sqlalchemy import text

from db import migrations
from db.digests import catalog
from db.session import writing
from db.settings import settings
from db.votes import tallies, votes
from emails.links import sign_voter
from tests.bench import load, servers
from tests.bench.voting import BARE, ROUNDS, SITE, cpu, measured, served
from tests.bench.wire import Reached
from web.readers import watch

TARGETS = {
    "a kept page": 1.0,
    "a page with the reader's own vote": 0.1,
    "a page after a fold": 0.1,
    "a page that was never shown": 0.1,
}
TOOLS, PAGES = 120, 150
AT_ONCE = 6
"""Connections for pages that need a thread: more at once than the site has threads for are refused."""
OK = b"HTTP/1.1 200"
_WORDS = "It drafts in our house style after three examples, and it says when it does not know. " * 2

Read = tuple[float, float]
"""Requests a second, and µs of server CPU a request."""


def run(folder: Path, requests: int = 3000) -> Reached:
    """Pages beside a bare route, two processes each: kept, with an own vote, after a fold, and never shown."""
    os.environ["DATABASE_URL"] = servers.sqlite(folder)()
    settings.cache_clear()
    migrations.upgrade()
    comparisons = _catalogue()
    page = "/compare/comparison-0"
    bare = measured(BARE, [load.get("/")] * 500, [[load.get("/")] * requests] * ROUNDS, OK)
    kept = measured(SITE, [load.get(page)] * 500, [[load.get(page)] * requests] * ROUNDS, OK)
    mine = [load.get(page, cookie) for cookie in _voters(requests // 3)]
    own = measured(SITE, mine[:300], [mine] * ROUNDS, OK, AT_ONCE)
    afresh = iter([load.get(f"/compare/comparison-{number}") for number in range(comparisons)])
    rounds = [[next(afresh) for _ in range(requests // 3)] for _ in range(ROUNDS)]
    first = measured(SITE, [next(afresh) for _ in range(300)], rounds, OK, AT_ONCE)
    rows = {"a bare Flask GET": bare, "a kept page": kept, "a page with the reader's own vote": own,
            "a page after a fold": _after_folds(), "a page that was never shown": first}  # fmt: skip
    return _told(rows)


def _told(rows: dict[str, Read]) -> Reached:
    print("\nA comparison page (two web processes, SQLite); in brackets times the bare rate, and by CPU")
    bare, told = rows["a bare Flask GET"], []
    for said, (rate, cost) in rows.items():
        ratio = rate / bare[0]
        print(f"  {said:34}{rate:9,.0f} a second, {cost:6,.0f} µs of server CPU ({ratio:.3f}, {bare[1] / cost:.3f})")
        if target := TARGETS.get(said):
            told.append((f"{said} reaches {target} of a bare GET's rate: {ratio:.3f}", ratio >= target))
    return told


def _after_folds() -> Read:
    """Each of some pages once after a fold: both processes have shown them before, with older figures."""
    pages = [load.get(f"/compare/comparison-{number}") for number in range(PAGES)]
    rates, costs = [], []
    with served(SITE) as (port, process):
        for _ in range(2 * ROUNDS):
            load.rate(port, pages * 8, OK, AT_ONCE)
            with writing() as session:
                session.execute(text("UPDATE tallies SET ship = ship + 1"))
            time.sleep(2 * watch.EVERY + 0.5)
            before = cpu(process)
            rates.append(load.rate(port, pages, OK, AT_ONCE))
            costs.append((cpu(process) - before) / len(pages) * 1e6)
    return median(rates), median(costs)


def _catalogue() -> int:
    """Tools with four reviews and twelve weeks of votes each, compared each with each other; the number of pairs."""
    now = datetime.now(UTC)
    reviewers = ["The Builder", "The Skeptic", "The Futurist", "The Founder"]
    pairs = [(a, b) for a in range(TOOLS) for b in range(a + 1, TOOLS)]
    with writing() as session:
        for name in reviewers:
            catalog.put_reviewer(session, name, "What can I make with it on Monday?")
        for number in range(TOOLS):
            fields = {"name": f"Tool {number}", "category": "Writing", "entry": "Free", "url": "https://x.example"}
            fields |= {"tagline": _WORDS, "summary": _WORDS * 2}
            said = [(name, ("ship", "skip")[at % 2], _WORDS) for at, name in enumerate(reviewers)]
            catalog.put_tool(session, f"tool-{number}", fields, said)
        for at, (a, b) in enumerate(pairs):
            pair = f"tool-{a}", f"tool-{b}"
            catalog.put_comparison(session, f"comparison-{at}", pair, "Which?", now - timedelta(hours=at), now)
    for weeks in range(12, 0, -1):
        at = now - timedelta(weeks=weeks, hours=1)
        with writing() as session:
            for tool_id in range(1, TOOLS + 1):
                votes.cast(session, votes.new_voter(), tool_id, ("ship", "skip")[(weeks + tool_id) % 3 % 2], at)
            while tallies.fold(session, at):
                pass
    return len(pairs)


def _voters(number: int) -> list[str]:
    """The cookies of readers who have voted on the first comparison's first tool."""
    voters = [votes.new_voter() for _ in range(number)]
    with writing() as session:
        for voter in voters:
            votes.cast(session, voter, 1, "ship", datetime.now(UTC))
    return [f"voter={sign_voter(settings().keys, voter)}" for voter in voters]


if __name__ == "__main__":
    os.environ.setdefault("SECRET_KEY", "a key for measuring")
    with tempfile.TemporaryDirectory() as place:
        reached = run(Path(place))
    print(*(("✓ " if good else "✕ ") + said for said, good in reached), sep="\n")
    sys.exit(not all(good for _, good in reached))
