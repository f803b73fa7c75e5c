"""Heartbeats of all processes with their recent work. Each process writes its own row, so none blocks another."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Index, func, select
from sqlalchemy.ext.hybrid import hybrid_method
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.session import BUSY_SECONDS, DriverConnection, Moment, Row

ALIVE = timedelta(seconds=60)
KEPT = timedelta(days=1)
PATIENCE = 250
"""Milliseconds that a heartbeat waits for SQLite's write lock; the next one comes in ten seconds anyway."""


class Heartbeat(Row):
    """One process's last heartbeat: `done` pieces of work in the `seconds` since the one before."""

    __tablename__ = "heartbeats"
    __table_args__ = (Index("ix_heartbeats_at", "at"),)

    process: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    started_at: Mapped[datetime]
    at: Mapped[datetime]
    done: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)

    @hybrid_method
    def is_alive(self, now: datetime, within: timedelta = ALIVE) -> bool:
        """Whether the process was seen within that time. A hybrid method: true or false of one heartbeat, a condition
        in queries."""
        return self.at >= now - within


def beat(
    driver: DriverConnection,
    process: str,
    kind: str,
    started_at: datetime,
    now: datetime,
    done: int = 0,
    seconds: float = 0.0,
) -> None:
    """Write a process's heartbeat; the clock's also deletes those older than a day."""
    with _patience(driver), driver.transaction():
        driver.execute(_BEAT, (process, kind, driver.at(started_at), driver.at(now), done, seconds))
        if kind == "clock":
            driver.execute(_FORGET, (driver.at(now - KEPT),))


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


_BEAT = (
    "INSERT INTO heartbeats (process, kind, started_at, at, done, seconds) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (process) DO UPDATE SET kind = excluded.kind, started_at = excluded.started_at, at = excluded.at,"
    " done = excluded.done, seconds = excluded.seconds"
)
_FORGET = "DELETE FROM heartbeats WHERE at < ?"


# ---- queries -----------------------------------------------------------------------------------------------


def alive(session: Session, now: datetime, within: timedelta = ALIVE) -> dict[str, list[Heartbeat]]:
    """The live processes by kind (worker, sender, clock), most recent heartbeat first."""
    rows = session.scalars(select(Heartbeat).where(Heartbeat.is_alive(now, within)).order_by(Heartbeat.at.desc()))
    found: dict[str, list[Heartbeat]] = {"worker": [], "sender": [], "clock": []}
    for each in rows:
        found.setdefault(each.kind, []).append(each)
    return found


def last_seen(session: Session, kind: str) -> Heartbeat | None:
    """The process of that kind with the latest heartbeat, of any age."""
    query = select(Heartbeat).where(Heartbeat.kind == kind).order_by(Heartbeat.at.desc()).limit(1)
    return session.scalars(query).first()


def first_start(session: Session) -> datetime | None:
    """When the earliest process on record started; None without any heartbeat."""
    return session.scalar(select(func.min(Heartbeat.started_at, type_=Moment())))


def rate(session: Session, kind: str, now: datetime, within: timedelta = ALIVE) -> float | None:
    """The combined throughput per second of live processes of that kind, from their last heartbeats.

    None while no live process has measured any time yet.
    """
    measured = [each for each in alive(session, now, within)[kind] if each.seconds]
    return sum(each.done / each.seconds for each in measured) if measured else None
