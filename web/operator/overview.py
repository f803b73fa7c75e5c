"""The console's first page: what needs somebody, the digest that is on its way, and how the weeks went."""

from datetime import UTC, datetime

from flask import Response, render_template
from sqlalchemy.orm import Session

from db import alerts, digests, figures
from db.digests import Digest
from db.session import reading
from web.operator import charts, live, progress
from web.operator.access import allowed, rooms
from web.operator.charts import Chart
from web.operator.costly import Costly

_subscribers = Costly(figures.subscribers, least=10)
_votes = Costly(figures.votes, least=10)
_failures = Costly(figures.failures, least=10)
_outcomes = Costly(lambda session, now: figures.outcomes(session), least=10)  # noqa: ARG005


@rooms.get("")
@allowed("viewer")
def overview() -> str:
    now = datetime.now(UTC)
    with reading() as session:
        drawn = _charts(session, now)
    return render_template("operator/overview.html", charts=drawn, now_part=_now_part())


@rooms.get("/overview/now")
@allowed("viewer")
def overview_now() -> Response:
    """What of the page refreshes itself."""
    return live.part(_now_part())


def _now_part() -> str:
    with reading() as session:
        open_alerts = alerts.standing(session, 51)
        digest = _current(session)
    account = progress.of(digest).account if digest and digest.frozen_at else None
    return render_template("operator/now.html", alerts=open_alerts, digest=digest, account=account)


def _current(session: Session) -> Digest | None:
    """The digest that goes out; else the one that is next; else the last."""
    for states in (("frozen", "sending", "paused"), ("draft", "held"), digests.STATES):
        if found := digests.listed(session, states, limit=1):
            return found[0]
    return None


def _charts(session: Session, now: datetime) -> list[tuple[str, Chart | None]]:
    """Each chart, or the sentence that stands in its place."""
    return [
        ("Nobody has subscribed or left within half a year.", charts.subscribers(_subscribers(session, now))),
        ("No digest has gone out yet.", charts.outcomes(_outcomes(session, now))),
        ("Nobody has voted in 30 days.", charts.votes(_votes(session, now))),
        ("No job has failed in 30 days.", charts.failures(_failures(session, now))),
    ]
