"""How fast pages are read: the real site on SQLite, as the Procfile starts it, beside a bare Flask route."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from db import migrations
from db.digests import catalog
from db.session import writing
from db.votes import tallies, votes
from tests.bench import load
from tests.bench.voting import BARE, ROUNDS, SITE, measured

COMPARISONS = 6_000
KEPT_RATIO, FRESH_RATIO = 1.0, 0.1
_WORDS = "It drafts in our house style after three examples, and it says when it does not know. " * 2


class Read(NamedTuple):
    """Requests a second, and µs of server CPU a request."""

    rate: float
    cpu: float


def catalogue() -> None:
    """Tools with four reviews and twelve weeks of votes each, and more comparisons than one measurement opens."""
    now = datetime.now(UTC)
    reviewers = ["The Builder", "The Skeptic", "The Futurist", "The Founder"]
    pairs = [(a, b) for a in range(120) for b in range(120) if a < b][:COMPARISONS]
    with writing() as session:
        for name in reviewers:
            catalog.put_reviewer(session, name, "What can I make with it on Monday?")
        for number in range(120):
            fields = {"name": f"Tool {number}", "category": "Writing", "entry": "Free", "url": "https://x.example"}
            fields |= {"tagline": _WORDS, "summary": _WORDS * 2}
            said = [(name, ("ship", "skip")[at % 2], _WORDS) for at, name in enumerate(reviewers)]
            catalog.put_tool(session, f"tool-{number}", fields, said)
        for at, (a, b) in enumerate(pairs):
            pair = f"tool-{a}", f"tool-{b}"
            catalog.put_comparison(session, f"comparison-{at}", pair, "Which?", now - timedelta(hours=at), now)
    for weeks in range(12, 0, -1):
        with writing() as session:
            for number in range(120):
                at = now - timedelta(weeks=weeks, hours=1)
                votes.cast(session, votes.new_voter(), number + 1, ("ship", "skip")[(weeks + number) % 3 % 2], at)
            while tallies.fold(session, at):
                pass


def fresh() -> Iterator[bytes]:
    """Requests for one comparison after the other: each is the first of its page."""
    for number in range(COMPARISONS):
        yield load.get(f"/compare/comparison-{number}")


def run(requests: int) -> dict[str, Read]:
    """A bare route, a kept page, and pages that are rendered afresh; two workers each."""
    migrations.upgrade()
    catalogue()
    bare = [load.get("/")] * requests
    kept = [load.get("/compare/comparison-0")] * requests
    afresh = fresh()
    rounds = [[next(afresh) for _ in range(requests // 3)] for _ in range(ROUNDS)]
    return {
        "bare": Read(*measured(BARE, bare[:500], [bare] * ROUNDS, b"HTTP/1.1 200")),
        "kept": Read(*measured(SITE, kept[:500], [kept] * ROUNDS, b"HTTP/1.1 200")),
        "fresh": Read(*measured(SITE, [next(afresh) for _ in range(300)], rounds, b"HTTP/1.1 200")),
    }
