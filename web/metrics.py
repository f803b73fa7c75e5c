"""`/metrics`: what the ledgers say in numbers, in the text formats of Prometheus and OpenMetrics.

Who may read it: whoever sends METRICS_TOKEN (RFC 6750 2.1), and programs on this machine while a site has none, or
while nobody else sees it.
"""

import hmac
import re
from collections.abc import Iterable

from flask import Blueprint, Response, make_response, request
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from db import moments, schema
from db.errors import PoolTimeout, SQLAlchemyError
from db.monitoring import measures
from db.monitoring.measures import Measure
from db.refusals import in_short
from db.session import on_one_core, reading
from db.settings import settings
from web.health import Probe
from web.readers import outbox

blueprint = Blueprint("metrics", __name__)

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
Asked = list[Measure] | str
"""The measures, or why there are none."""


@blueprint.get("/metrics")
def measured() -> Response:
    """The measures, asked of the database just now. 503 if it does not answer, 401 or 403 for whoever may not read."""
    if not _may_read():
        return _refused()
    found = _asked.result()
    if not isinstance(found, list):
        response = _plain(503, found if isinstance(found, str) else f"The database has not answered for {found} s.")
        response.headers["Retry-After"] = "15"
        return response
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(found))
    encode, mimetype = choose_encoder(request.headers.get("Accept", ""))
    response = make_response(encode(registry))
    response.headers["Content-Type"] = mimetype
    return _kept_from_caches(response)


class _Collected(Collector):
    """The one collector: it only puts the measures into Prometheus' words."""

    def __init__(self, found: list[Measure]) -> None:
        self.found = found

    def collect(self) -> Iterable[Metric]:
        for each in self.found:
            family = GaugeMetricFamily(f"verdicts_{each.name}", each.says, labels=each.labels)
            for values, number in each.samples:
                family.add_metric(values, number)
            yield family


def _ask() -> tuple[bool, Asked]:
    try:
        found = schema.standing()
        if not found.may_run:
            return False, found.told
        with reading(snapshot=True) as session:
            on_one_core(session)
            return True, list(measures.all_of(session, moments.now()))
    except (SQLAlchemyError, PoolTimeout) as error:
        return False, f"The database does not answer: {in_short(error)}"
    except (OSError, ValueError):  # BadSettings is a ValueError
        return False, "The database does not answer."


_asked: Probe[Asked] = Probe(_ask)


# ---- who may read ----------------------------------------------------------------------------------------------


def _may_read() -> bool:
    """A proxy of this machine that adds no header to what it passes on, as a bare nginx since 1.29.7, looks like a
    program of this machine. So a site that others see asks everybody for the token once there is one."""
    config = settings()
    token, sent = config.metrics_token, _BEARER.fullmatch(request.headers.get("Authorization", "").strip())
    if token and sent and hmac.compare_digest(sent[1].encode("utf-8", "replace"), token.encode()):
        return True
    return (not token or config.is_local) and outbox.is_on_this_machine(request.environ)


def _refused() -> Response:
    if settings().metrics_token:
        response = _plain(401, "Send METRICS_TOKEN as: Authorization: Bearer …")
        response.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return response
    return _plain(403, "Ask from the machine that the site runs on, or set METRICS_TOKEN and send it.")


def _plain(status: int, told: str) -> Response:
    response = make_response(told + "\n", status)
    response.mimetype = "text/plain"
    return _kept_from_caches(response)


def _kept_from_caches(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
