"""Measures: what the ledgers say of themselves in numbers, for a monitoring system that asks every few seconds.

Nothing here is counted by a process: a restart sets nothing back, and any web process gives the same answer. No label
holds a person; a mail server's or a recipient's domain can be one person's, so breakers are counted by kind alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import guard
from db.deliveries import accounts
from db.deliveries.limits import breakers, stops
from db.digests.digests import Digest
from db.jobs import filters, jobs
from db.monitoring import alerts, backlog, heartbeats
from db.schema import RELEASE, REVISION
from db.subscribers.subscribers import Subscriber
from db.votes.tallies import Tally
from db.webhooks import webhooks

Sample = tuple[tuple[str, ...], float]
"""The values of the labels, and the number."""


class Measure(NamedTuple):
    """One metric: a name in base units, what it says, its labels, and a sample for each of their values."""

    name: str
    says: str
    labels: tuple[str, ...]
    samples: Sequence[Sample]


def all_of(session: Session, now: datetime) -> Iterator[Measure]:
    """Every measure as of `now`. On a site with a million readers the counts take some 200 ms."""
    yield Measure("release_info", "The release that answers, and the revision it needs.", ("release", "revision"),
                  [((RELEASE, REVISION), 1)])  # fmt: skip
    yield _one("copy_unconfirmed", "1 while this database is a copy that sends nothing.", guard.standing(session))
    yield from _queues(session, now)
    yield Measure("jobs", "Jobs by state; succeeded ones are kept for a while.", ("state",),
                  _of(jobs.counts(session)))  # fmt: skip
    failed = filters.count_failures(session, now - timedelta(hours=1))
    yield _one("job_attempts_failed_last_hour", "Attempts at jobs that failed within the last hour.", failed)
    yield from _digests(session)
    people = session.execute(select(Subscriber.state, func.count()).group_by(Subscriber.state))
    yield Measure("subscribers", "Subscribers by state.", ("state",), [((state,), count) for state, count in people])
    yield _votes(session)
    yield from _processes(session, now)
    yield from _trouble(session, now)


def _one(name: str, says: str, value: object) -> Measure:
    return Measure(name, says, (), [((), float(value) if isinstance(value, int | float) else float(bool(value)))])


def _of(counts: dict[str, int]) -> list[Sample]:
    return [((name,), count) for name, count in counts.items()]


def _queues(session: Session, now: datetime) -> Iterator[Measure]:
    queues = backlog.all_queues(session, now)
    waiting = f"What waits in each queue; counting stops after {backlog.MOST}."
    yield Measure("queue_waiting", waiting, ("queue",), [((each.queue,), each.waiting) for each in queues])
    ages = [((each.queue,), (now - each.oldest).total_seconds() if each.oldest else 0.0) for each in queues]
    yield Measure("queue_oldest_age_seconds", "For how long the oldest due work has waited.", ("queue",), ages)
    paused = [((each.queue,), float(each.pause is not None)) for each in queues]
    yield Measure("queue_paused", "1 while an operator has paused the queue.", ("queue",), paused)
    rates = [((queue,), rate) for queue, rate in backlog.rates(session, now).items()]
    yield Measure("queue_done_per_second", "Lately: votes folded, jobs done, letters settled, requests answered.",
                  ("queue",), rates)  # fmt: skip


def _digests(session: Session) -> Iterator[Measure]:
    """Of the newest digest that has an audience, and of the newest of all."""
    newest = session.scalars(select(Digest).order_by(Digest.due_at.desc()).limit(1)).all()
    gone = session.scalars(select(Digest).where(Digest.audience > 0).order_by(Digest.due_at.desc()).limit(1)).all()
    both = list(dict.fromkeys([*newest, *gone]))
    yield Measure("digest_state", "1 for the state that the newest digests are in.", ("slot", "state"),
                  [((each.slot, each.state), 1) for each in both])  # fmt: skip
    yield Measure("digest_due_timestamp_seconds", "When the digest is or was due, in Unix time.", ("slot",),
                  [((each.slot,), each.due_at.timestamp()) for each in both])  # fmt: skip
    yield Measure("digest_audience", "Readers whom the digest is for, counted at its freeze.", ("slot",),
                  [((each.slot,), each.audience or 0) for each in gone])  # fmt: skip
    states = [(each.slot, accounts.progress(session, each).states) for each in gone]
    yield Measure("digest_letters", "The digest's letters by state.", ("slot", "state"),
                  [((slot, state), count) for slot, found in states for state, count in found.items()])  # fmt: skip


def _votes(session: Session) -> Measure:
    sums = select(Tally.kind, func.sum(Tally.ship), func.sum(Tally.skip)).group_by(Tally.kind)
    samples = [
        ((kind, choice), float(count))
        for kind, ship, skip in session.execute(sums)
        for choice, count in (("ship", ship), ("skip", skip))
    ]
    return Measure("votes", "Counted votes by kind of voter and choice.", ("voter", "choice"), samples)


def _processes(session: Session, now: datetime) -> Iterator[Measure]:
    running = heartbeats.running(session, now)
    yield Measure("processes", "Processes that run, by kind.", ("kind",),
                  _counted((each.kind for each in running), ("web", *heartbeats.AT_WORK)))  # fmt: skip
    at_work = heartbeats.alive(session, now, timedelta(days=1))
    seen = [((kind,), max(0.0, (now - found[0].at).total_seconds())) for kind, found in at_work.items() if found]
    yield Measure("last_work_age_seconds", "Since when no process of the kind was at work.", ("kind",), seen)
    skews: dict[str, float] = {}
    for each in running:
        if each.host is not None and each.skew is not None:
            skews[each.host] = max(skews.get(each.host, 0.0), each.skew, key=abs)
    yield Measure("clock_skew_seconds", "How far the host's clock is ahead of the database's.", ("host",),
                  [((host,), skew) for host, skew in skews.items()])  # fmt: skip


def _trouble(session: Session, now: datetime) -> Iterator[Measure]:
    open_now = (each.kind for each in breakers.open_breakers(session) if each.is_open(now))
    yield Measure("breakers_open", "Mail servers and recipients' domains to which nothing is sent now.", ("kind",),
                  _counted(open_now, ("relay", "domain")))  # fmt: skip
    yield _one("stops_waiting", "Digests and domains that stand still until a person decides.",
               len(stops.standing_stops(session)))  # fmt: skip
    yield Measure("alerts_open", "Open alerts by kind.", ("kind",),
                  _counted((each.kind for each in alerts.standing(session)), ()))  # fmt: skip
    states = ("disabled" if each.disabled_at else "failing" if each.failing_since else "working"
              for each in webhooks.listed(session))  # fmt: skip
    yield Measure("webhooks", "Webhooks by how they fare.", ("state",),
                  _counted(states, ("working", "failing", "disabled")))  # fmt: skip


def _counted(found: Iterable[str], always: Iterable[str]) -> list[Sample]:
    return _of(dict.fromkeys(always, 0) | Counter(found))
