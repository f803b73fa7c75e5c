"""What tables are made of, and the two kinds of transaction: reading and writing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Dialect, Engine, Integer, MetaData, text
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.orm import Session as Session
from sqlalchemy.types import TypeDecorator

from db.engine import engine


class Moment(TypeDecorator[datetime]):
    """A time-zone-aware datetime, stored in UTC; on SQLite without its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment needs a zone, got {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BigId = BigInteger().with_variant(Integer, "sqlite")
Key = Annotated[int, mapped_column(BigId, primary_key=True)]
"""A primary key that is never given twice (AUTOINCREMENT on SQLite, IDENTITY-like on PostgreSQL)."""

NEVER_REUSED = {"sqlite_autoincrement": True}


class Row(DeclarativeBase):
    """The declarative base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Moment}


@contextmanager
def reading(*, snapshot: bool = False) -> Iterator[Session]:
    """A transaction that the database keeps read-only; with `snapshot` all its queries see one instant."""
    with Session(read_only(engine(), snapshot=snapshot), expire_on_commit=False, autoflush=False) as session:
        yield session


@lru_cache(maxsize=8)
def read_only(bound: Engine, *, snapshot: bool = False) -> Engine:
    """The engine with transactions that the database keeps read-only."""
    if bound.dialect.name == "sqlite":
        return bound.execution_options(purpose="reading")
    level = "REPEATABLE READ" if snapshot else "READ COMMITTED"
    return bound.execution_options(postgresql_readonly=True, isolation_level=level)


@contextmanager
def writing(*, durable: bool = True) -> Iterator[Session]:
    """A transaction that commits at its end and then wakes the workers it rang for; any error rolls it back.

    `durable=False` (synchronous=NORMAL) may lose SQLite's last commits in a power cut, never in a kill; for votes only.
    """
    bound = engine() if durable else engine().execution_options(durable=False)
    with Session(bound, expire_on_commit=False) as session:
        with session.begin():
            yield session
        owed = session.info.get("bells")
    if owed:
        notify(*owed)


def round_trip(session: Session) -> None:
    """Run an empty query, to see whether and how fast the database answers."""
    session.execute(text("SELECT 1"))


def on_one_core(session: Session) -> None:
    """Keep PostgreSQL from spreading this transaction's queries over parallel workers; SQLite never does."""
    if not is_sqlite(session):
        session.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))


Listener = Callable[[frozenset[str]], None]
_listeners: list[Listener] = []


def on_commit(listener: Listener) -> None:
    """Call `listener` after each commit with the names of the queues that it left work for."""
    if listener not in _listeners:
        _listeners.append(listener)


def notify(*queues: str) -> None:
    """Wake the workers of these queues, whose work is committed now."""
    for listener in _listeners:
        listener(frozenset(queues))


def ring(session: Session, queue: str) -> None:
    """Wake the workers of `queue` once this transaction commits."""
    session.info.setdefault("bells", set()).add(queue)


def is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
