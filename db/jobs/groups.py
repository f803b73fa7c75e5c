"""Failed jobs in groups that failed alike: by kind, error class and fingerprint, with first and last failure."""

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.jobs.filters import GroupKey, JobFilter
from db.jobs.jobs import DEAD, FAILED, Attempt, Job


class Group(NamedTuple):
    """A group of jobs that failed alike. `newest` is the latest one: a sample of the error and its attempts."""

    key: GroupKey
    jobs: int
    first_seen: datetime | None
    last_seen: datetime | None
    newest: Job


class Groups(NamedTuple):
    """One page of groups, and how many groups and jobs there are in all."""

    shown: tuple[Group, ...]
    groups: int
    jobs: int


def groups(session: Session, chosen: JobFilter, limit: int = 50, offset: int = 0) -> Groups:
    """Matching groups, most recently failed first."""
    number, newest, last = func.count(), func.max(Job.id), func.max(Job.failed_at)
    key = Job.kind, Job.error, Job.fingerprint
    query = (
        select(
            *key, number.label("jobs"), newest.label("newest"), func.min(Job.id).label("oldest"),
            func.min(Job.failed_at).label("first"), last.label("last"),
            func.count().over().label("all_groups"), func.sum(number).over().label("all_jobs"),
        )
        .where(*chosen.conditions()).group_by(*key).order_by(last.desc(), newest.desc()).limit(limit).offset(offset)
    )  # fmt: skip
    rows = session.execute(query).all()
    if not rows:
        return Groups((), 0, 0)
    samples = {job.id: job for job in session.scalars(select(Job).where(Job.id.in_([row.newest for row in rows])))}
    began = _first_failures(session, {row.oldest: row.fingerprint for row in rows})
    shown = (
        Group(
            GroupKey(row.kind, row.error, row.fingerprint), row.jobs,
            min(filter(None, (row.first, began.get(row.oldest))), default=None), row.last, samples[row.newest],
        )
        for row in rows
    )  # fmt: skip
    return Groups(tuple(shown), rows[0].all_groups, int(rows[0].all_jobs))


def dead_groups(session: Session) -> dict[GroupKey, int]:
    """Every group of dead jobs with its size."""
    key = Job.kind, Job.error, Job.fingerprint
    rows = session.execute(select(*key, func.count()).where(DEAD).group_by(*key))
    return {GroupKey(kind, error, fingerprint): jobs for kind, error, fingerprint, jobs in rows}


def _first_failures(session: Session, oldest: dict[int, str | None]) -> dict[int, datetime]:
    """When each of these jobs first failed with its group's error; its own `failed_at` is that of its last attempt."""
    query = select(Attempt.job_id, Attempt.fingerprint, func.min(Attempt.ended_at)).where(
        Attempt.job_id.in_(list(oldest)), FAILED
    )
    rows = session.execute(query.group_by(Attempt.job_id, Attempt.fingerprint))
    return {job: first for job, fingerprint, first in rows if first and fingerprint == oldest[job]}


def of_group(session: Session, chosen: JobFilter, key: GroupKey, limit: int) -> list[Job]:
    """The jobs of one group that failed last."""
    query = select(Job).where(*replace(chosen, groups=(key,), ids=()).conditions())
    return list(session.scalars(query.order_by(Job.failed_at.desc(), Job.id.desc()).limit(limit)))
