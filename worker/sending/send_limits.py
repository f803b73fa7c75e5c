"""The limits that hold for all senders together, also while senders run with different ones."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from db.monitoring import heartbeats, runs_with
from db.session import Session
from db.settings import settings


class SendLimits(NamedTuple):
    """What holds for all senders; 0 sets no limit, but for connections."""

    rate: float
    daily: int
    connections: int
    domain_rates: Mapping[str, float]


def held(session: Session, now: datetime) -> SendLimits:
    """The lowest limits of all running senders, this one included: until they agree, the strictest holds."""
    told = [each.runs_with or {} for each in heartbeats.running(session, now) if each.kind == "sender"]
    return lowest([own(), *map(_limits, told)])


def own() -> SendLimits:
    """What this process's settings say."""
    return _limits(runs_with.of(settings()))


def lowest(limits: Collection[SendLimits]) -> SendLimits:
    """The strictest of each limit."""
    domains = {domain for each in limits for domain in each.domain_rates}
    return SendLimits(
        rate=_least(each.rate for each in limits),
        daily=int(_least(each.daily for each in limits)),
        connections=int(_least(each.connections for each in limits)) or 1,
        domain_rates={domain: _least(each.domain_rates.get(domain, 0) for each in limits) for domain in domains},
    )


def _least(values: Iterable[float]) -> float:
    return min((value for value in values if value > 0), default=0)


def _limits(told: Mapping[str, str]) -> SendLimits:
    """What a heartbeat tells; a release that does not tell a limit sets none here."""
    rates = (pair.split("=") for pair in told.get("SEND_DOMAIN_RATES", "").split(", ") if pair)
    numbers = (float(told.get(name, 0)) for name in ("SEND_RATE", "SEND_DAILY", "SEND_CONNECTIONS"))
    rate, daily, connections = numbers
    return SendLimits(rate, int(daily), int(connections), {domain: float(value) for domain, value in rates})
