"""The URLs of every console page with its parameters: filters, searches, and pages deep in its lists."""

import sys
from collections.abc import Iterator

from flask import Flask
from sqlalchemy import text

from db.session import reading
from web.operator.frame.cached import Cached

JOBS = (
    "", "?list=yes", "?list=yes&before={middle}", "?from=20", "?text=letter+7", "?text=nowhere+at+all",
    "?list=yes&text=nowhere+at+all", "?list=yes&text=letter+7&before={middle}", "?error=Error1&list=yes",
    "?kind=SubscriptionRequested&since=24h", "?group={group}", "?open={group}", "?group={group}&text=letter",
    "?queue=mail", "?since=1h", "?state=waiting", "?state=failing", "?state=failing&text=nowhere+at+all",
    "?state=pending", "?state=running", "?state=discarded", "?state=succeeded", "?state=succeeded&before={late}",
    "?state=succeeded&kind=ComparisonPublished", "?state=succeeded&text=nowhere+at+all", "?state=all",
    "?state=all&before={late}", "?state=all&text=nowhere+at+all", "?state=all&kind=ComparisonPublished&since=24h",
)  # fmt: skip
DELIVERIES = (
    "", "?slot={past}", "?slot={slot}&after={deep}", "?state=sent", "?state=sent&after={deep}", "?state=pending",
    "?state=pending&after={deep}", "?state=sending", "?state=deferred", "?state=deferred&after={deep}", "?state=failed",
    "?state=failed&code=552", "?state=failed&code=552&reason=refused", "?state=failed&reason=nothing",
    "?state=skipped&reason=paused", "?state=unknown", "?state=cancelled&code=none", "?state=failed&state=deferred",
    "?code=552", "?slot={past}&state=sent&code=421", "?state=sent&code=251", "?state=pending&code=499",
    "?reason=nothing",
)  # fmt: skip
PEOPLE = (
    "", "?before={reader}", "?state=active", "?state=active&before={reader}", "?state=pending", "?state=unsubscribed",
    "?state=unsubscribed&before={reader}", "?state=erased", "?state=paused", "?state=paused&before={reader}",
    "?state=suppressed", "?state=suppressed&before={reader}",
)  # fmt: skip
AUDIT = (
    "", "?before={entry}", "?actor=operator-1@newsroom.example", "?actor=operator-1@newsroom.example&before={entry}",
    "?action=jobs.", "?action=jobs.retry", "?action=nothing.", "?actor=operator-1@newsroom.example&action=digest.",
    "?about=subscriber+7", "?since=2026-01-01&until=2100-01-01", "?until=2026-01-01", "?actor=nobody",
    "?actor=operator-2@newsroom.example&action=login",
)  # fmt: skip
SUPPRESSIONS = ("", "?reason=complaint", "?reason=erased", "?before=2026-11-01T00:00:00%2B00:00,1:7b7e2c4",
                "?reason=complaint&before=2026-11-01T00:00:00%2B00:00,1:7b7e2c4")  # fmt: skip
WAYS: dict[str, tuple[str, ...]] = {
    "jobs": tuple("/jobs" + query for query in JOBS),
    "job": ("/jobs/{dead}", "/jobs/{late}"),
    "edit_job": ("/jobs/{dead}/edit",),
    "deliveries": tuple("/deliveries" + query for query in DELIVERIES),
    "explain": tuple("/people" + query for query in PEOPLE),
    "person": ("/people/{reader}", "/people/1"),
    "audit": tuple("/audit" + query for query in AUDIT),
    "audit_entry": ("/audit/{entry}",),
    "suppressions": tuple("/suppressions" + query for query in SUPPRESSIONS),
    "account_of": ("/accounts/1",),
    "webhook": ("/webhooks/{webhook}", "/webhooks/2"),
    "invitation": ("/invitation/nonsense",),
    "digests": ("/digests", "/digests?before={past}"),
    "digest": ("/digests/{slot}", "/digests/{past}", "/digests/{next}"),
    "digest_progress": ("/digests/{slot}/progress", "/digests/{past}/progress"),
    "preview": (
        "/digests/{slot}/preview?view=phone",
        "/digests/{slot}/preview?view=headers",
        "/digests/{next}/preview",
    ),
    "preview_letter": ("/digests/{slot}/letter", "/digests/{next}/letter?view=dark"),
    "retry_deliveries": ("/digests/{slot}/retry", "/digests/{slot}/retry?state=failed&code=552"),
    "resolve_deliveries": ("/digests/{slot}/resolve?as=sent",),
}
"""The paths to open for each page that takes parameters. A new page with an argument in its route needs an entry."""


def addresses(app: Flask, places: dict[str, object]) -> Iterator[tuple[str, str]]:
    """(endpoint, URL) of every page with a GET route. Raises KeyError for a route with arguments that WAYS lacks."""
    for rule in app.url_map.iter_rules():
        room, _, name = rule.endpoint.partition(".")
        if room == "operator" and "GET" in (rule.methods or ()):
            if name not in WAYS and rule.arguments:
                raise KeyError(f"{rule} needs {', '.join(rule.arguments)}: say in tests/opened.py how to open it")
            for way in WAYS.get(name, (str(rule).removeprefix("/operator"),)):
                yield name, "/operator" + way.format(**places)


def places() -> dict[str, object]:
    """The values for the placeholders in WAYS from this database, mostly from the middle of a list."""
    asked = {
        "slot": "SELECT slot FROM digests WHERE state = 'sending'",
        "past": "SELECT min(slot) FROM digests WHERE state = 'finished'",
        "next": "SELECT slot FROM digests WHERE state = 'draft'",
        "dead": "SELECT min(id) FROM jobs WHERE state = 'dead'",
        "middle": "SELECT (min(id) + max(id)) / 2 FROM jobs WHERE state = 'dead'",
        "late": "SELECT (min(id) + max(id)) / 2 FROM jobs WHERE state = 'succeeded'",
        "group": "SELECT kind || ':' || error || ':' || fingerprint FROM jobs WHERE state = 'dead' LIMIT 1",
        "reader": "SELECT max(id) / 2 FROM subscribers",
        "deep": "SELECT max(id) / 2 FROM deliveries",
        "webhook": "SELECT min(id) FROM webhooks",
        "entry": "SELECT max(id) / 2 FROM audit",
    }
    with reading() as session:
        return {name: session.scalar(text(question)) for name, question in asked.items()}


def forget(app: Flask) -> None:
    """Clear the console's caches in this process."""
    app.extensions.pop("digests", None)
    for name, module in list(sys.modules.items()):
        if name.startswith("web.operator"):
            for each in vars(module).values():
                if isinstance(each, Cached):
                    each.forget()
