"""Which processes are alive, and what each did lately. Every process writes its own row, so none waits for another."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Index, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.session import BUSY_SECONDS, DriverConnection, Moment, Row

ALIVE = timedelta(seconds=60)
KEPT = timedelta(days=1)
PATIENCE = 250
"""Milliseconds that a beat waits for SQLite's writer: the next one comes in ten seconds."""


class Heartbeat(Row):
    """One process's last sign of life: `done` pieces of work in the `seconds` since the sign before it."""

    __tablename__ = "heartbeats"
    __table_args__ = (Index("ix_heartbeats_at", "at"),)

    process: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    started_at: Mapped[datetime]
    at: Mapped[datetime]
    done: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)


def beat(
    driver: DriverConnection,
    process: str,
    kind: str,
    started_at: datetime,
    now: datetime,
    done: int = 0,
    seconds: float = 0.0,
) -> None:
    """Write a process's sign of life; the clock's also removes what is older than a day."""
    held, moment = ("?", _stamp) if driver.sqlite else ("%s", _same)
    with _patience(driver), driver.transaction():
        order = _BEAT.replace("?", held)
        driver.execute(order, (process, kind, moment(started_at), moment(now), done, seconds))
        if kind == "clock":
            driver.execute(_FORGET.replace("?", held), (moment(now - KEPT),))


@contextmanager
def _patience(driver: DriverConnection) -> Iterator[None]:
    """Wait a moment for SQLite's writer, and not the whole time that work which matters may wait."""
    if not driver.sqlite:
        yield
        return
    driver.fetch(f"PRAGMA busy_timeout={PATIENCE}", ())
    try:
        yield
    finally:  # the connection goes back to those that are kept
        driver.fetch(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}", ())


_BEAT = (
    "INSERT INTO heartbeats (process, kind, started_at, at, done, seconds) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (process) DO UPDATE SET kind = excluded.kind, started_at = excluded.started_at, at = excluded.at,"
    " done = excluded.done, seconds = excluded.seconds"
)
_FORGET = "DELETE FROM heartbeats WHERE at < ?"


def _stamp(moment: datetime) -> str:
    """A moment as SQLAlchemy keeps it on SQLite, past which these orders go."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _same(moment: datetime) -> datetime:
    return moment


# ---- queries -----------------------------------------------------------------------------------------------


def is_alive(now: datetime, within: timedelta = ALIVE) -> ColumnElement[bool]:
    """The one condition for a process that is alive: its last sign of life is no older than that."""
    return Heartbeat.at >= now - within


def alive(session: Session, now: datetime, within: timedelta = ALIVE) -> dict[str, list[Heartbeat]]:
    """The processes that are alive, by kind (worker, sender, clock), the one seen last first."""
    rows = session.scalars(select(Heartbeat).where(is_alive(now, within)).order_by(Heartbeat.at.desc()))
    found: dict[str, list[Heartbeat]] = {"worker": [], "sender": [], "clock": []}
    for each in rows:
        found.setdefault(each.kind, []).append(each)
    return found


def last_seen(session: Session, kind: str) -> Heartbeat | None:
    """The process of that kind that was seen last, however long ago."""
    query = select(Heartbeat).where(Heartbeat.kind == kind).order_by(Heartbeat.at.desc()).limit(1)
    return session.scalars(query).first()


def first_start(session: Session) -> datetime | None:
    """When the first of the processes that are remembered started; None where none ever gave a sign of life."""
    return session.scalar(select(func.min(Heartbeat.started_at, type_=Moment())))


def rate(session: Session, kind: str, now: datetime, within: timedelta = ALIVE) -> float | None:
    """Pieces of work a second that processes of that kind do together, by their last signs of life.

    None while no process that is alive has measured any time yet.
    """
    measured = [each for each in alive(session, now, within)[kind] if each.seconds]
    return sum(each.done / each.seconds for each in measured) if measured else None
