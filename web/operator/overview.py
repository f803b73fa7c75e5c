"""The console's overview: what needs attention, the current digest, and the weekly charts."""

import time
from collections.abc import Callable
from typing import Any

from flask import Response, render_template

from db.digests import digests
from db.digests.digests import Digest
from db.monitoring import alerts, charts
from db.session import Session, reading
from web.operator import digest_progress, svg_charts
from web.operator.frame import live
from web.operator.frame.access import allowed, blueprint
from web.operator.frame.cached import Cached, together
from web.operator.svg_charts import Chart

_subscribers = Cached(charts.subscribers, least=10)
_votes = Cached(charts.votes, least=10)
_failures = Cached(charts.failures, least=10)
_outcomes = Cached(lambda session, now: charts.digest_counts(session), least=10)  # noqa: ARG005
COUNTED = (_subscribers, _votes, _failures, _outcomes)


@blueprint.get("")
@allowed("viewer")
def overview() -> str:
    began = time.monotonic()
    with reading() as session:
        digest = _current(session)
    if digest and digest.frozen_at:
        digest_progress.of(digest, patience=0)  # counted in parallel with the charts, so that the page waits only once
    drawn = _charts()
    left = max(0.0, Cached.patience - (time.monotonic() - began))
    return render_template("operator/overview.html", charts=drawn, now_part=_now_part(left))


@blueprint.get("/overview/now")
@allowed("viewer")
def overview_now() -> Response:
    """The part of the page that refreshes itself."""
    return live.part(_now_part())


def _now_part(patience: float | None = None) -> str:
    with reading() as session:
        open_alerts = alerts.standing(session, 51)
        digest = _current(session)
    look = digest_progress.of(digest, patience) if digest and digest.frozen_at else None
    return render_template(
        "operator/now.html", alerts=open_alerts, digest=digest, account=look.account if look else None
    )


def _current(session: Session) -> Digest | None:
    """The digest that is being sent; else the next one; else the last."""
    for states in (("frozen", "sending", "paused"), ("draft", "held"), digests.STATES):
        if found := digests.listed(session, states, limit=1):
            return found[0]
    return None


def _charts() -> list[tuple[str, Chart | None]]:
    """Each chart, or the sentence shown instead."""
    asked: list[tuple[str, Cached[Any], Callable[[Any], Chart | None]]] = [
        ("Nobody has subscribed or left within half a year.", _subscribers, svg_charts.subscribers),
        ("No digest has gone out yet.", _outcomes, svg_charts.digest_counts),
        ("Nobody has voted in 30 days.", _votes, svg_charts.votes),
        ("No job has failed in 30 days.", _failures, svg_charts.failures),
    ]
    rows: list[tuple[str, Chart | None]] = []
    for (sentence, _, draw), known in zip(asked, together(*(ask for _, ask, _ in asked)), strict=True):
        counting = "This chart is being counted. Open the page again in a moment."
        rows.append((counting, None) if known is None else (sentence, draw(known)))
    return rows
