"""The job filter that console pages, bulk actions, commands and the audit log share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, TextClause, and_, false, func, or_, select, text
from sqlalchemy.orm import Session

from db.jobs.jobs import DEAD, FAILED, HAS_FAILED, OUTSIDE, PENDING, REACTION, REPLACES, Attempt, Job
from db.operators import audit
from db.rules import Refused

Predicate = ColumnElement[bool] | TextClause

VIEWS = ("dead", "waiting", "failing", "pending", "running", "succeeded", "discarded", "all")
"""The states to filter by: a job's own, and `waiting` (for another attempt), `failing` (dead or waiting)."""
_WAITING = and_(PENDING, Job.attempt > 0)
_OF_VIEW: dict[str, tuple[Predicate, ...]] = {
    "dead": (DEAD,),
    "waiting": (PENDING, Job.attempt > 0),
    "failing": (or_(DEAD, _WAITING),),
    "pending": (PENDING,),
    "running": (text("state = 'running'"),),
    "succeeded": (text("state = 'succeeded'"),),
    "discarded": (text("state = 'discarded'"),),
    "all": (),
}


_AMONG_FAILED: dict[str, tuple[Predicate, ...]] = {
    "succeeded": (HAS_FAILED, text("state || '' = 'succeeded'")),
    "all": (HAS_FAILED,),
}
"""The conditions of a view that is filtered by failure too. Of millions of succeeded jobs few ever failed, so the query
reads the partial index of those that did."""


_OF_QUEUE: dict[str, Predicate] = {"jobs": REACTION, "outside": OUTSIDE}


class GroupKey(NamedTuple):
    """The key of a group of failed jobs, written `kind:error:fingerprint` in links and commands."""

    kind: str
    error: str | None
    fingerprint: str | None

    def __str__(self) -> str:
        return f"{self.kind}:{self.error or ''}:{self.fingerprint or ''}"

    @classmethod
    def read(cls, written: str) -> "GroupKey":
        """The key parsed from that form. Raises Refused for anything else."""
        parts = written.split(":")
        if len(parts) != 3 or not parts[0]:
            raise Refused(f"{written!r} is no group; `verdicts jobs list --group` names those there are.")
        return cls(parts[0], parts[1] or None, parts[2] or None)

    @property
    def condition(self) -> ColumnElement[bool]:
        # IS NULL and = can both use the index; IS NOT DISTINCT FROM cannot on PostgreSQL.
        alike = [_is(Job.error, self.error), _is(Job.fingerprint, self.fingerprint)]
        return and_(Job.kind == self.kind, *alike)


def _is(column: Any, value: str | None) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column.is_(None) if value is None else column == value
    return found


@dataclass(frozen=True)
class JobFilter:
    """Which jobs a view or an action covers. `groups` and `ids` narrow the match further; without them all match.

    `upto` and `until` limit a bulk action to the jobs that its operator was shown: by highest number, and by time.
    """

    state: str = "dead"
    kind: str | None = None
    queue: str | None = None
    error: str | None = None
    since: datetime | None = None
    text: str | None = None
    groups: tuple[GroupKey, ...] = ()
    ids: tuple[int, ...] = ()
    upto: int | None = None
    until: datetime | None = None

    def conditions(self) -> list[Predicate]:
        """The filter in SQL. Raises Refused for an unknown state."""
        if self.state not in VIEWS:
            raise Refused(f"Jobs are never {self.state!r}; ask for one of: {', '.join(VIEWS)}.")
        rows: list[Predicate] = [*(_AMONG_FAILED if self.among_failed else _OF_VIEW)[self.state]]
        if self.queue is not None:
            rows.append(_OF_QUEUE.get(self.queue, false()))  # votes and letters are in other ledgers
        if self.kind is not None:
            rows.append(Job.kind == self.kind)
        if self.error is not None:
            rows.append(Job.error == self.error)
        if self.since is not None:
            rows.append(Job.failed_at >= self.since)
        if self.text:
            rows.append(or_(*(each.icontains(self.text, autoescape=True) for each in (Job.said, Job.error))))
        chosen = [key.condition for key in self.groups] + ([Job.id.in_(self.ids)] if self.ids else [])
        if chosen:
            rows.append(or_(*chosen))
        if self.upto is not None:
            rows.append(Job.id <= self.upto)
        if self.until is not None:
            rows.append(or_(Job.failed_at.is_(None), Job.failed_at <= self.until))
        return rows

    @property
    def among_failed(self) -> bool:
        """Whether the view mixes in succeeded jobs but filters by failure."""
        return self.state in _AMONG_FAILED and bool(self.error or self.since or self.text)

    def as_json(self) -> dict[str, Any]:
        """The filter as the audit log stores it: the fields that are set, as plain values."""
        found: dict[str, Any] = {"state": self.state}
        for name in ("kind", "queue", "error", "text", "upto"):
            if (value := getattr(self, name)) is not None:
                found[name] = value
        for name in ("since", "until"):
            if (moment := getattr(self, name)) is not None:
                found[name] = moment.isoformat()
        if self.groups:
            found["groups"] = [str(key) for key in self.groups]
        if self.ids:
            found["ids"] = audit.ranges(sorted(set(self.ids)))
        return found


def page(session: Session, chosen: JobFilter, limit: int = 50, before: int | None = None) -> list[Job]:
    """Matching jobs, newest first; `before` is the keyset cursor: only numbers below it."""
    if chosen.state == "failing":  # a single query would scan all succeeded jobs
        both = [page(session, replace(chosen, state=state), limit, before) for state in ("dead", "waiting")]
        return sorted(both[0] + both[1], key=lambda job: -job.id)[:limit]
    query = select(Job).where(*chosen.conditions())
    number = Job.id + 0 if chosen.among_failed else Job.id  # + 0 keeps the planner from scanning all succeeded jobs
    if before is not None:
        query = query.where(number < before)
    return list(session.scalars(query.order_by(number.desc()).limit(limit)))


def count(session: Session, conditions: Sequence[Predicate], most: int | None = None) -> int:
    """How many jobs match; counting stops at `most`."""
    query: Select[Any] = select(Job.id).where(*conditions)
    if most is not None:
        query = query.limit(most)
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def highest(session: Session) -> int:
    """The highest job number."""
    return session.scalar(select(func.max(Job.id))) or 0


def kinds(session: Session) -> list[str]:
    """The kinds of the jobs that are dead or wait for another attempt."""
    query = (select(Job.kind).where(*_OF_VIEW[state]).distinct() for state in ("dead", "waiting"))
    return sorted({kind for each in query for kind in session.scalars(each)})


def copies(session: Session, job: Job) -> tuple[int | None, list[tuple[int, str | None]]]:
    """The edited copy that replaces this job, and the jobs (number, reaction) that its event was split into."""
    copy = session.scalar(select(Job.id).where(REPLACES, Job.replaces == job.id))
    parts = session.execute(select(Job.id, Job.reaction).where(Job.cause == job.id).order_by(Job.id)).all()
    return copy, [(part.id, part.reaction) for part in parts]


def count_dead(session: Session) -> int:
    """How many jobs are dead."""
    return session.scalar(select(func.count()).select_from(Job).where(DEAD)) or 0


def count_failures(session: Session, since: datetime) -> int:
    """How many attempts have failed since then, those included whose worker was gone."""
    query = select(func.count()).select_from(Attempt).where(FAILED, Attempt.ended_at > since)
    return session.scalar(query) or 0


def lost_since(session: Session, since: datetime, limit: int = 20) -> list[tuple[Attempt, Job]]:
    """Attempts that recovery ended because their worker was gone, newest first."""
    query = (
        select(Attempt, Job).join(Job, Job.id == Attempt.job_id)
        .where(FAILED, Attempt.outcome == "lost", Attempt.ended_at >= since)
        .order_by(Attempt.ended_at.desc()).limit(limit)
    )  # fmt: skip
    return [(attempt, job) for attempt, job in session.execute(query)]


def lapsed(session: Session, now: datetime, limit: int = 20) -> list[tuple[Job, str | None]]:
    """Running jobs whose lease has lapsed, with the worker that held them."""
    held = (Attempt.job_id == Job.id) & (Attempt.number == Job.attempt)
    query = select(Job, Attempt.worker).outerjoin(Attempt, held).where(Job.has_lapsed(now))
    return [(job, worker) for job, worker in session.execute(query.order_by(Job.lease).limit(limit))]
