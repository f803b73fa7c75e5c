"""The health strip and the counts in the menu. Its queries are cheap, because it is on every page."""

import time
from dataclasses import dataclass
from datetime import datetime

import redis

from db import guard
from db.deliveries.limits import breakers
from db.jobs import filters
from db.monitoring import ages, clocks, heartbeats, pauses
from db.monitoring.pauses import QUEUES
from db.session import Session, round_trip
from db.settings import settings
from db.values import duration
from web.operator.frame.cached import Cached
from worker import redis_client
from worker.processes import agreement

SLOW_MS = 100


@dataclass(frozen=True, slots=True)
class Sign:
    """One field of the strip: a label, a state in words, details; `level` is good, warn or bad."""

    label: str
    word: str
    small: str = ""
    level: str = "good"

    @property
    def sign(self) -> str:
        return {"good": "✓", "warn": "!", "bad": "✕"}[self.level]


def strip(session: Session, now: datetime) -> list[Sign]:
    """The strip under the header of every page."""
    return [
        *_guard(session), _workers(session, now), _clock(session, now), _database(session),
        _redis() or Sign("Redis", "asking", level="warn"),
        _mail_server(session, now), _owed(session, now), _queues(session), _failed(session),
        *_settings(session, now),
    ]  # fmt: skip


def counts(session: Session, now: datetime) -> dict[str, str]:  # noqa: ARG001
    """The counts in the menu, by endpoint."""
    dead, paused = filters.count_dead(session), len(pauses.paused(session))
    found = {"operator.jobs": f"{dead:,}" if dead else "", "operator.queues": f"{paused} paused" if paused else ""}
    return {endpoint: count for endpoint, count in found.items() if count}


# ---- processes ---------------------------------------------------------------------------------------------


def _workers(session: Session, now: datetime) -> Sign:
    alive = heartbeats.alive(session, now)
    workers, senders, outside = (len(alive[kind]) for kind in ("worker", "sender", "outside"))
    if not (workers or senders or outside):
        return Sign("Workers", "silent", "for a minute", "bad")
    small = f"{workers} at work, {senders} sending, {outside} outside"
    up = workers and senders and outside
    return Sign("Workers", "up", small) if up else Sign("Workers", "not all", small, "bad")


def _clock(session: Session, now: datetime) -> Sign:
    last = heartbeats.last_seen(session, "clock")
    if last is None:
        return Sign("Clock", "never seen", level="bad")
    small = f"{duration(now - last.at)} ago"
    if not last.is_alive(now):
        return Sign("Clock", "silent", f"since {small}", "bad")
    off = [f"{host} is {clocks.in_words(by)}" for host, by in clocks.off(session, now).items()]
    return Sign("Clock", "off", ", ".join(off), "warn") if off else Sign("Clock", "ticked", small)


def _settings(session: Session, now: datetime) -> list[Sign]:
    """Named only while processes run with different settings; an alert on the overview names these."""
    found = agreement.disagreements(session, now)
    if not found:
        return []
    small = found[0].setting if len(found) == 1 else f"{found[0].setting} and {len(found) - 1} more"
    return [Sign("Settings", "differ", small, "bad")]


def _guard(session: Session) -> list[Sign]:
    """Named only while the database is a copy that nobody has confirmed yet."""
    found = guard.standing(session)
    return [Sign("Copy", "sends nothing", f"as of {found.copied_at:%Y-%m-%d %H:%M} UTC", "bad")] if found else []


# ---- services ----------------------------------------------------------------------------------------------


def _database(session: Session) -> Sign:
    began = time.perf_counter()
    round_trip(session)
    took = (time.perf_counter() - began) * 1000
    return Sign("Database", f"{took:.0f} ms", level="good" if took < SLOW_MS else "warn")


def _ping(session: Session, now: datetime) -> Sign:  # noqa: ARG001
    began = time.perf_counter()
    try:
        with redis_client.connect(settings(), 0.3) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError):
        return Sign("Redis", "no answer", "work goes on without it", "bad")
    took = (time.perf_counter() - began) * 1000
    return Sign("Redis", f"{took:.0f} ms", level="good" if took < SLOW_MS else "warn")


_redis = Cached(_ping, least=5.0, queued=False)


def _mail_server(session: Session, now: datetime) -> Sign:
    """The mail server's state from the sender's last replies; pages never connect to it."""
    breaker = breakers.refusing_server(session)
    if breaker is not None:
        return Sign("Mail server", "refuses", f"everybody, for {duration(now - breaker.since)}", "bad")
    last = ages.last_settled(session)
    if last is None:
        return Sign("Mail server", "not asked", "no letter yet")
    domains = breakers.count_open(session, now)
    small = f"{duration(now - last)} ago"
    if domains:
        return Sign("Mail server", "slow", f"{domains} {'domain defers' if domains == 1 else 'domains defer'}", "warn")
    return Sign("Mail server", "answered", small)


# ---- backlog -----------------------------------------------------------------------------------------------


def _owed(session: Session, now: datetime) -> Sign:
    asked = {
        "votes": ages.of_votes, "jobs": ages.of_jobs, "letters": ages.of_deliveries, "requests": ages.of_outside,
    }  # fmt: skip
    waits = [(age, ledger) for ledger, ask in asked.items() if (age := ask(session, now)) is not None]
    if not waits:
        return Sign("Oldest waiting", "nothing waits")
    age, ledger = max(waits)
    return Sign("Oldest waiting", duration(age), ledger, "warn" if age > settings().alert_age else "good")


def _queues(session: Session) -> Sign:
    paused = len(pauses.paused(session))
    if paused:
        return Sign("Queues", f"{paused} paused", f"of {len(QUEUES)}", "warn")
    return Sign("Queues", "none paused")


def _failed(session: Session) -> Sign:
    dead = filters.count_dead(session)
    return Sign("Failed jobs", f"{dead:,}", level="bad" if dead else "good")
