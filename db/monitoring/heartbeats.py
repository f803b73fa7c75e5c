"""Heartbeats of all processes with their recent work. Each process writes its own row, so none blocks another.

A row tells two things: when the process last *lived* (`alive_at`) and when it was last *at work* (`at`, as its tasks
marked it). A worker whose tasks hang, or whom no message reaches, still lives.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

from sqlalchemy import JSON, ColumnElement, Index, Text, func, select
from sqlalchemy.ext.hybrid import hybrid_method
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.driver import DriverConnection
from db.engine import BUSY_SECONDS
from db.register import FreeText, Plain, holds
from db.session import Moment, Row

ALIVE = timedelta(seconds=60)
RUNNING = timedelta(seconds=20)
"""A process counts as running while its last heartbeat is no older than this, in which time four are due."""
LATELY = timedelta(seconds=90)
"""A failure from before says nothing: one that goes on is tried, and fails, at least once a minute."""
KEPT = rules.kept("heartbeats")
PATIENCE = 250
"""Milliseconds that a heartbeat waits for SQLite's write lock; the next one comes in seconds anyway."""
AT_WORK = ("worker", "sender", "outside", "clock")
"""The kinds that do what is owed; `web` only answers."""


class Heartbeat(Row):
    """One process's last heartbeat: `done` pieces of work in the `seconds` since the one before."""

    __tablename__ = "heartbeats"
    __table_args__ = (Index("ix_heartbeats_at", "at"),)

    process: Mapped[Plain] = mapped_column(primary_key=True)
    kind: Mapped[Plain]
    started_at: Mapped[datetime]
    at: Mapped[datetime]
    done: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)
    host: Mapped[Plain | None]
    release: Mapped[Plain | None]
    alive_at: Mapped[datetime | None]
    """None if a process of release 0.2.0 wrote the row, since that knows only `at`. The other nullable columns are None
    in such rows too."""
    runs_with: Mapped[Annotated[dict[str, str], holds("none")] | None] = mapped_column(JSON(none_as_null=True))
    """The values of the settings that all processes must share, in the form that runs_with.of() gives them."""
    skew: Mapped[float | None]
    """Seconds by which the host's clock is ahead of the database's."""
    taken_at: Mapped[datetime | None]
    """When the mail server last took a letter from this sender."""
    failed_at: Mapped[datetime | None]
    failure: Mapped[FreeText | None] = mapped_column(Text)
    """When a piece of its work last failed to begin, and why."""

    @hybrid_method
    def is_alive(self, now: datetime, within: timedelta = ALIVE) -> bool:
        """Whether the process was at work within that time. A hybrid method: true or false of one heartbeat, a
        condition in queries."""
        return self.at >= now - within

    def fails(self, now: datetime) -> bool:
        """Whether its last work failed to begin, lately, and the mail server has taken no letter from it since."""
        failed, taken = self.failed_at, self.taken_at
        return failed is not None and failed > now - LATELY and (taken is None or failed > taken)


class RunsAs(NamedTuple):
    """The host, the release and the shared settings with which a process runs; each heartbeat stores them."""

    host: str | None = None
    release: str | None = None
    runs_with: Mapping[str, str] | None = None


class Marks(NamedTuple):
    """How far the host's clock is off, and how the work went lately; each heartbeat stores them."""

    skew: float | None = None
    taken_at: datetime | None = None
    failed_at: datetime | None = None
    failure: str | None = None


def beat(
    driver: DriverConnection,
    process: str,
    kind: str,
    started_at: datetime,
    now: datetime,
    done: int = 0,
    seconds: float = 0.0,
    runs_as: RunsAs = RunsAs(),  # noqa: B008  it is never changed
    marks: Marks = Marks(),  # noqa: B008
) -> None:
    """Write that a process is at work, and what it did; the clock's also deletes those older than a day."""
    with _patience(driver), driver.transaction():
        driver.execute(_AT_WORK, _values(driver, (process, kind), started_at, now, (done, seconds), runs_as, marks))
        if kind == "clock":
            driver.execute(_FORGET, (driver.at(now - KEPT),))


def live(
    driver: DriverConnection,
    process: str,
    kind: str,
    started_at: datetime,
    now: datetime,
    runs_as: RunsAs,
    marks: Marks = Marks(),  # noqa: B008  it is never changed
) -> None:
    """Record that a process runs. The time when it was last at work stays, except for `web`, which has no tasks."""
    with _patience(driver), driver.transaction():
        driver.execute(_LIVES, _values(driver, (process, kind), started_at, now, (0, 0.0), runs_as, marks))


def ended(driver: DriverConnection, process: str, now: datetime) -> None:
    """Record that a process has ended as planned: from now on it does not count as running."""
    with _patience(driver), driver.transaction():
        driver.execute(_ENDED, (driver.at(now - RUNNING - timedelta(seconds=1)), process))


def running_on(driver: DriverConnection, host: str, now: datetime) -> list[str]:
    """The processes that count as running on this host."""
    return [str(process) for (process,) in driver.fetch(_RUNNING_ON, (host, driver.at(now - RUNNING)))]


def _values(
    driver: DriverConnection,
    who: tuple[str, str],
    started_at: datetime,
    now: datetime,
    work: tuple[int, float],
    runs_as: RunsAs,
    marks: Marks,
) -> tuple[object, ...]:
    """A heartbeat's values, in the order of its columns in `_INSERT`."""
    at, runs_with = driver.at(now), json.dumps(dict(runs_as.runs_with)) if runs_as.runs_with else None
    taken, failed = (driver.at(when) if when else None for when in (marks.taken_at, marks.failed_at))
    row = (*who, driver.at(started_at), at, *work, runs_as.host, runs_as.release, at, runs_with)
    return (*row, marks.skew, taken, failed, marks.failure)


@contextmanager
def _patience(driver: DriverConnection) -> Iterator[None]:
    """Use a shorter SQLite busy time-out than real work does."""
    if not driver.sqlite:
        yield
        return
    driver.fetch(f"PRAGMA busy_timeout={PATIENCE}", ())
    try:
        yield
    finally:  # the connection returns to the pool, so reset its time-out
        driver.fetch(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}", ())


_INSERT = (
    "INSERT INTO heartbeats (process, kind, started_at, at, done, seconds, host, release, alive_at, runs_with,"
    " skew, taken_at, failed_at, failure) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (process) DO UPDATE SET kind = excluded.kind, started_at = excluded.started_at, host = excluded.host,"
    " release = excluded.release, alive_at = excluded.alive_at, runs_with = excluded.runs_with, skew = excluded.skew,"
    " taken_at = excluded.taken_at, failed_at = excluded.failed_at, failure = excluded.failure, "
)
_AT_WORK = _INSERT + "at = excluded.at, done = excluded.done, seconds = excluded.seconds"
# A new process may get the process id of an ended one, so it overwrites that one's time at work.
_LIVES = _INSERT + (
    "at = CASE WHEN excluded.kind = 'web' OR heartbeats.started_at <> excluded.started_at"
    " THEN excluded.at ELSE heartbeats.at END"
)
_RUNNING_ON = "SELECT process FROM heartbeats WHERE host = ? AND coalesce(alive_at, at) >= ?"
_ENDED = "UPDATE heartbeats SET alive_at = ? WHERE process = ?"
_FORGET = "DELETE FROM heartbeats WHERE coalesce(alive_at, at) < ?"


# ---- queries -----------------------------------------------------------------------------------------------


def running(session: Session, now: datetime, within: timedelta = RUNNING) -> list[Heartbeat]:
    """The processes of all kinds that live now, with what they run with: by kind, then the youngest first."""
    query = select(Heartbeat).where(_lived() >= now - within).order_by(Heartbeat.kind, Heartbeat.started_at.desc())
    return list(session.scalars(query))


def senders_alive(session: Session, now: datetime) -> int:
    """How many senders live and can send, so far as is known; 1 at least.

    One that fails needs no share of the connections.
    """
    return max(1, sum(each.kind == "sender" and not each.fails(now) for each in running(session, now)))


def _lived() -> ColumnElement[datetime]:
    return func.coalesce(Heartbeat.alive_at, Heartbeat.at, type_=Moment())


def alive(session: Session, now: datetime, within: timedelta = ALIVE) -> dict[str, list[Heartbeat]]:
    """The processes at work by kind (worker, sender, outside, clock), most recent heartbeat first."""
    query = select(Heartbeat).where(Heartbeat.is_alive(now, within), Heartbeat.kind.in_(AT_WORK))
    found: dict[str, list[Heartbeat]] = {kind: [] for kind in AT_WORK}
    for each in session.scalars(query.order_by(Heartbeat.at.desc())):
        found[each.kind].append(each)
    return found


def last_seen(session: Session, kind: str) -> Heartbeat | None:
    """The process of that kind that was at work last, however long ago."""
    query = select(Heartbeat).where(Heartbeat.kind == kind).order_by(Heartbeat.at.desc()).limit(1)
    return session.scalars(query).first()


def first_start(session: Session) -> datetime | None:
    """When the earliest worker, sender, outside line or clock on record started; None without any heartbeat."""
    query = select(func.min(Heartbeat.started_at, type_=Moment())).where(Heartbeat.kind.in_(AT_WORK))
    return session.scalar(query)


def rate(session: Session, kind: str, now: datetime, within: timedelta = ALIVE) -> float | None:
    """The combined throughput per second of live processes of that kind, from their last heartbeats.

    None while no live process has measured any time yet.
    """
    measured = [each for each in alive(session, now, within)[kind] if each.seconds]
    return sum(each.done / each.seconds for each in measured) if measured else None
