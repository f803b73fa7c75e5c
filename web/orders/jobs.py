"""What operators order about jobs, from the console or the command line alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from db import audit, failures, mending
from db.audit import Actor
from db.failures import Condition, Filter
from db.jobs import Job
from db.rules import Refused
from db.session import reading, writing

RATE = 10.0
"""Jobs released in a second, unless somebody says otherwise."""
RATES = (0.1, 1000.0)
ABLE = {"retry": mending.RETRIABLE, "discard": mending.DISCARDABLE, "restore": mending.RESTORABLE}
"""What an order about many can be given for, of the jobs that match."""

Told = Callable[[int], object]
"""Called after each page with the number of jobs that it met."""


class Asked(NamedTuple):
    """An order about many before it is given: how many jobs it would meet, and the filter bounded to just those."""

    jobs: int
    chosen: Filter


def ask(order: str, chosen: Filter, now: datetime) -> Asked:
    """Count first: what `order` (retry, discard or restore) would meet now. Changes nothing."""
    with reading() as session:
        bounded = replace(chosen, upto=failures.highest(session), until=now)
        return Asked(failures.count(session, _met(order, bounded)), bounded)


def _met(order: str, chosen: Filter) -> list[Condition]:
    return [*chosen.conditions(), *ABLE[order]]


# ---- named jobs ----------------------------------------------------------------------------------------------


def retry(actor: Actor, ids: Sequence[int], now: datetime, note: str | None = None) -> list[Job]:
    """Give these jobs their attempts anew, at once; Refused, and nothing done, where one cannot be retried."""
    return _each(actor, "jobs.retry", ids, lambda s, job: mending.retry(s, job, now), now, note)


def stop(actor: Actor, ids: Sequence[int], now: datetime, note: str | None = None) -> list[Job]:
    """Try these waiting jobs no more; they are dead until somebody retries them."""
    return _each(actor, "jobs.stop", ids, lambda s, job: mending.stop(s, job, now), now, note)


def discard(actor: Actor, ids: Sequence[int], reason: str, now: datetime) -> list[Job]:
    """Give these jobs up, with a reason that is kept on them."""
    return _each(actor, "jobs.discard", ids, lambda s, job: mending.discard(s, job, reason, now), now, reason)


def restore(actor: Actor, ids: Sequence[int], now: datetime, note: str | None = None) -> list[Job]:
    """Take these jobs' discard back."""
    return _each(actor, "jobs.restore", ids, lambda s, job: mending.restore(s, job), now, note)


def _each(
    actor: Actor, action: str, ids: Iterable[int], order: Callable[[Session, int], Job], now: datetime, note: str | None
) -> list[Job]:
    wanted = sorted(set(ids))
    with writing() as session:
        met = [order(session, job_id) for job_id in wanted]
        about = f"job {wanted[0]}" if len(wanted) == 1 else None
        audit.keep(session, actor, action, now, about=about, ids=wanted, note=note)
    return met


def edit(actor: Actor, job_id: int, values: Mapping[str, Any], now: datetime, note: str | None = None) -> Job:
    """Owe an edited copy of a job in its place; the copy. `mending.Unfit` says of each field what to mend."""
    with writing() as session:
        copy = mending.replace(session, job_id, values, now)
        before = session.get_one(Job, job_id).payload
        audit.keep(
            session, actor, "jobs.edit", now, about=f"job {job_id}", ids=[job_id, copy.id], before=before,
            after=copy.payload, note=note,
        )  # fmt: skip
    return copy


# ---- all that match ------------------------------------------------------------------------------------------


def retry_matching(
    actor: Actor, chosen: Filter, now: datetime, note: str | None = None, rate: float = RATE, told: Told | None = None
) -> int:
    """Retry all that match, released `rate` a second; how many were met. See `ask` for what bounds them."""
    if not RATES[0] <= rate <= RATES[1]:
        raise Refused(f"A rate is a number of jobs a second, from {RATES[0]:g} to {RATES[1]:g}.")
    after = {"state": "pending", "jobs a second": rate}
    return _pages(
        actor, "jobs.retry", chosen, lambda s, last, met: mending.retry_page(s, chosen, last, rate, met, now),
        now, note, after, told,
    )  # fmt: skip


def discard_matching(actor: Actor, chosen: Filter, reason: str, now: datetime, told: Told | None = None) -> int:
    """Discard all that match, with a reason; how many were met."""
    return _pages(
        actor, "jobs.discard", chosen, lambda s, last, _: mending.discard_page(s, chosen, last, reason, now),
        now, reason, {"state": "discarded"}, told,
    )  # fmt: skip


def restore_matching(
    actor: Actor, chosen: Filter, now: datetime, note: str | None = None, told: Told | None = None
) -> int:
    """Take back the discard of all that match; how many were met."""
    return _pages(
        actor, "jobs.restore", chosen, lambda s, last, _: mending.restore_page(s, chosen, last), now, note,
        {"state": "dead"}, told,
    )  # fmt: skip


def _pages(
    actor: Actor, action: str, chosen: Filter, page: Callable[[Session, int, int], list[int]], now: datetime,
    note: str | None, after: dict[str, Any], told: Told | None,
) -> int:  # fmt: skip
    """A page is a transaction with its own entry in the audit: what was done is written down, wherever it ends."""
    met = last = 0
    while True:
        with writing() as session:
            ids = page(session, last, met)
            if ids:
                audit.keep(session, actor, action, now, chosen_by=chosen.as_json(), ids=ids, after=after, note=note)
        if not ids:
            return met
        met, last = met + len(ids), ids[-1]
        if told is not None:
            told(len(ids))
