"""Actions on jobs, shared by console and commands."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from db.jobs import filters, retries
from db.jobs.filters import JobFilter, Predicate
from db.jobs.jobs import Job
from db.operators import audit
from db.operators.audit import Actor
from db.rules import Refused
from db.session import Session, reading, writing
from web.actions import Progress

RATE = 10.0
"""The default number of jobs released per second."""
RATES = (0.1, 1000.0)
ABLE = {"retry": retries.RETRIABLE, "discard": retries.DISCARDABLE, "restore": retries.RESTORABLE}
"""The states of matching jobs that each bulk action applies to."""


class Preview(NamedTuple):
    """A planned bulk action: how many jobs it covers, and the filter limited to exactly those."""

    jobs: int
    chosen: JobFilter


def preview(action: str, chosen: JobFilter, now: datetime) -> Preview:
    """Plan a bulk action: count the jobs that `action` (retry, discard, restore) would cover now. Changes nothing."""
    with reading() as session:
        bounded = replace(chosen, upto=filters.highest(session), until=now)
        return Preview(filters.count(session, _met(action, bounded)), bounded)


def _met(action: str, chosen: JobFilter) -> list[Predicate]:
    return [*chosen.conditions(), *ABLE[action]]


# ---- named jobs ----------------------------------------------------------------------------------------------


def retry(actor: Actor, ids: Sequence[int], now: datetime, note: str | None = None) -> list[Job]:
    """Retry these jobs now, with all attempts again. Raises Refused and changes nothing if one cannot be retried."""
    return _each(actor, "jobs.retry", ids, lambda s, job: retries.retry(s, job, now), now, note)


def stop(actor: Actor, ids: Sequence[int], now: datetime, note: str | None = None) -> list[Job]:
    """Stop retrying these waiting jobs; they are dead until an operator retries them."""
    return _each(actor, "jobs.stop", ids, lambda s, job: retries.stop(s, job, now), now, note)


def discard(actor: Actor, ids: Sequence[int], reason: str, now: datetime) -> list[Job]:
    """Discard these jobs with a reason, which is stored on them."""
    return _each(actor, "jobs.discard", ids, lambda s, job: retries.discard(s, job, reason, now), now, reason)


def restore(actor: Actor, ids: Sequence[int], now: datetime, note: str | None = None) -> list[Job]:
    """Undo the discard of these jobs."""
    return _each(actor, "jobs.restore", ids, lambda s, job: retries.restore(s, job), now, note)


def _each(
    actor: Actor, action: str, ids: Iterable[int], act: Callable[[Session, int], Job], now: datetime, note: str | None
) -> list[Job]:
    wanted = sorted(set(ids))
    with writing() as session:
        met = [act(session, job_id) for job_id in wanted]
        about = f"job {wanted[0]}" if len(wanted) == 1 else None
        audit.record(session, actor, action, now, about=about, ids=wanted, note=note)
    return met


def edit(actor: Actor, job_id: int, values: Mapping[str, Any], now: datetime, note: str | None = None) -> Job:
    """Replace a job with an edited copy. Returns the copy. Raises `retries.BadPayload` with a message per field."""
    with writing() as session:
        copy = retries.replace(session, job_id, values, now)
        before = session.get_one(Job, job_id).payload
        audit.record(
            session, actor, "jobs.edit", now, about=f"job {job_id}", ids=[job_id, copy.id], before=before,
            after=copy.payload, note=note,
        )  # fmt: skip
    return copy


# ---- all that match ------------------------------------------------------------------------------------------


def retry_matching(
    actor: Actor,
    chosen: JobFilter,
    now: datetime,
    note: str | None = None,
    rate: float = RATE,
    on_page: Progress | None = None,
) -> int:
    """Retry all matching jobs, `rate` of them a second. Returns how many. `chosen` limits them to those counted by
    preview()."""
    if not RATES[0] <= rate <= RATES[1]:
        raise Refused(f"A rate is a number of jobs a second, from {RATES[0]:g} to {RATES[1]:g}.")
    after = {"state": "pending", "jobs a second": rate}
    return _pages(
        actor, "jobs.retry", chosen, lambda s, last, met: retries.retry_page(s, chosen, last, rate, met, now),
        now, note, after, on_page,
    )  # fmt: skip


def discard_matching(
    actor: Actor, chosen: JobFilter, reason: str, now: datetime, on_page: Progress | None = None
) -> int:
    """Discard all matching jobs with a reason. Returns how many."""
    return _pages(
        actor, "jobs.discard", chosen, lambda s, last, _: retries.discard_page(s, chosen, last, reason, now),
        now, reason, {"state": "discarded"}, on_page,
    )  # fmt: skip


def restore_matching(
    actor: Actor, chosen: JobFilter, now: datetime, note: str | None = None, on_page: Progress | None = None
) -> int:
    """Undo the discard of all matching jobs. Returns how many."""
    return _pages(
        actor, "jobs.restore", chosen, lambda s, last, _: retries.restore_page(s, chosen, last), now, note,
        {"state": "dead"}, on_page,
    )  # fmt: skip


def _pages(
    actor: Actor, action: str, chosen: JobFilter, page: Callable[[Session, int, int], list[int]], now: datetime,
    note: str | None, after: dict[str, Any], on_page: Progress | None,
) -> int:  # fmt: skip
    """Each page is one transaction with its own audit entry, so that an interrupted action is audited up to there."""
    met = last = 0
    while True:
        with writing() as session:
            ids = page(session, last, met)
            if ids:
                audit.record(session, actor, action, now, chosen_by=chosen.as_json(), ids=ids, after=after, note=note)
        if not ids:
            return met
        met, last = met + len(ids), ids[-1]
        if on_page is not None:
            on_page(len(ids))
