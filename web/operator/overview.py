"""The console's first page: what needs somebody, the digest that is on its way, and how the weeks went."""

import time
from collections.abc import Callable
from typing import Any

from flask import Response, render_template
from sqlalchemy.orm import Session

from db import alerts, digests, figures
from db.digests import Digest
from db.session import reading
from web.operator import charts, live, progress
from web.operator.access import allowed, rooms
from web.operator.charts import Chart
from web.operator.costly import Costly, together

_subscribers = Costly(figures.subscribers, least=10)
_votes = Costly(figures.votes, least=10)
_failures = Costly(figures.failures, least=10)
_outcomes = Costly(lambda session, now: figures.outcomes(session), least=10)  # noqa: ARG005
COSTLY = (_subscribers, _votes, _failures, _outcomes)


@rooms.get("")
@allowed("viewer")
def overview() -> str:
    began = time.monotonic()
    with reading() as session:
        digest = _current(session)
    if digest and digest.frozen_at:
        progress.of(digest, patience=0)  # counted while the charts are: the page has patience once
    drawn = _charts()
    left = max(0.0, Costly.patience - (time.monotonic() - began))
    return render_template("operator/overview.html", charts=drawn, now_part=_now_part(left))


@rooms.get("/overview/now")
@allowed("viewer")
def overview_now() -> Response:
    """What of the page refreshes itself."""
    return live.part(_now_part())


def _now_part(patience: float | None = None) -> str:
    with reading() as session:
        open_alerts = alerts.standing(session, 51)
        digest = _current(session)
    look = progress.of(digest, patience) if digest and digest.frozen_at else None
    return render_template(
        "operator/now.html", alerts=open_alerts, digest=digest, account=look.account if look else None
    )


def _current(session: Session) -> Digest | None:
    """The digest that goes out; else the one that is next; else the last."""
    for states in (("frozen", "sending", "paused"), ("draft", "held"), digests.STATES):
        if found := digests.listed(session, states, limit=1):
            return found[0]
    return None


def _charts() -> list[tuple[str, Chart | None]]:
    """Each chart, or the sentence that stands in its place."""
    asked: list[tuple[str, Costly[Any], Callable[[Any], Chart | None]]] = [
        ("Nobody has subscribed or left within half a year.", _subscribers, charts.subscribers),
        ("No digest has gone out yet.", _outcomes, charts.outcomes),
        ("Nobody has voted in 30 days.", _votes, charts.votes),
        ("No job has failed in 30 days.", _failures, charts.failures),
    ]
    found: list[tuple[str, Chart | None]] = []
    for (sentence, _, draw), known in zip(asked, together(*(ask for _, ask, _ in asked)), strict=True):
        counting = "This chart is being counted. Open the page again in a moment."
        found.append((counting, None) if known is None else (sentence, draw(known)))
    return found
