"""A site at work in small: people who sign up, vote and read pages, a sender, a back-up. Each remembers its waits."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from sqlalchemy import bindparam, text
from sqlalchemy.exc import SQLAlchemyError

from db.engine import engine
from db.session import Session, is_sqlite, reading, writing
from db.settings import settings

BETWEEN = 0.02
BATCH, WINDOW = 200, 8
TOUCHED = ("subscribers", "deliveries", "votes", "suppressions", "relays", "digests", "jobs", "consents", "heartbeats")


@dataclass(slots=True)
class Waits:
    """(when it began, seconds it took) of each transaction of one kind, and the sentences of those that failed."""

    found: list[tuple[float, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def longest(self, since: float = 0.0, until: float = float("inf")) -> float:
        return max((took for began, took in self.found if since <= began < until), default=0.0)


@dataclass(slots=True)
class Site:
    """Who is at work; `written` counts what was committed, by table."""

    sign_ups: Waits = field(default_factory=Waits)
    votes: Waits = field(default_factory=Waits)
    pages: Waits = field(default_factory=Waits)
    sender: Waits = field(default_factory=Waits)
    written: dict[str, int] = field(default_factory=lambda: {"subscribers": 0, "consents": 0, "votes": 0})


@contextmanager
def at_work() -> Iterator[Site]:
    """Everybody at work until the end, each in a thread with connections of its own."""
    site, ended = Site(), threading.Event()
    turns: tuple[tuple[Waits, Callable[[int], None]], ...] = (
        (site.sign_ups, lambda turn: _sign_up(site, turn)),
        (site.votes, lambda turn: _vote(site, turn)),
        (site.pages, _page),
        (site.sender, _batch),
    )
    threads = [threading.Thread(target=_repeat, args=(*each, ended)) for each in turns]
    for thread in threads:
        thread.start()
    try:
        yield site
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _repeat(waits: Waits, work: Callable[[int], None], ended: threading.Event) -> None:
    turn = 0
    while not ended.is_set():
        turn, began = turn + 1, time.monotonic()
        try:
            work(turn)
        except SQLAlchemyError as error:
            waits.failed.append(str(error).splitlines()[0])
        waits.found.append((began, time.monotonic() - began))
        ended.wait(BETWEEN)


# ---- who is at work ----------------------------------------------------------------------------------------------


def _sign_up(site: Site, turn: int) -> None:
    with writing() as session:
        address = f"late-{turn}-{time.monotonic_ns()}@reader.example"
        query = (
            "INSERT INTO subscribers (address, address_key, state, created_at)"
            " VALUES (:address, :address, 'pending', CURRENT_TIMESTAMP) RETURNING id"
        )
        who = session.scalar(text(query), {"address": address})
        query = (
            "INSERT INTO consents (subscriber_id, what, at, source) VALUES (:id, 'asked', CURRENT_TIMESTAMP, 'form')"
        )
        session.execute(text(query), {"id": who})
    site.written["subscribers"] += 1
    site.written["consents"] += 1


def _vote(site: Site, turn: int) -> None:
    query = (
        "INSERT INTO votes (voter, tool_id, choice, dirty, cast_at) VALUES (:voter, 1, 'ship', true, CURRENT_TIMESTAMP)"
        " ON CONFLICT (voter, tool_id) DO UPDATE SET choice = excluded.choice, dirty = true"
    )
    with writing(durable=False) as session:
        session.execute(text(query), {"voter": f"late:{turn}:{time.monotonic_ns()}"})
    site.written["votes"] += 1


def _page(turn: int) -> None:
    """What pages ask: a reader's row, their suppression, who refuses, the digest's waiting letters."""
    with reading() as session:
        for query in (
            "SELECT id, state FROM subscribers WHERE address_key = 'reader-' || :turn || '@reader.example'",
            "SELECT reason FROM suppressions WHERE address_hash = 'nobody' || :turn",
            "SELECT name, open_until FROM relays WHERE name <> 'nobody' || :turn",
            "SELECT state, code FROM deliveries WHERE person = 'subscriber:' || :turn",
            "SELECT choice FROM votes WHERE voter = 'subscriber:' || :turn",
        ):
            session.execute(text(query), {"turn": str(turn)}).all()


_WAITING = (
    "SELECT id FROM deliveries WHERE letter = 'digest' AND about = 1 AND state IN ('pending', 'deferred') ORDER BY id"
)
_CLAIM = "UPDATE deliveries SET state = 'sending', claim = :claim WHERE id IN :ids"
_SETTLE = (
    "UPDATE deliveries SET state = 'sent', code = 250, settled_at = CURRENT_TIMESTAMP"
    " WHERE id IN :ids AND claim = :claim"
)
_REFUSED = (
    "INSERT INTO relays (name, failures, since, open_until, reply)"
    " VALUES ('to slow.example', 1, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, '451 later')"
    " ON CONFLICT (name) DO UPDATE SET failures = relays.failures + 1"
)
_HEARTBEAT = (
    "INSERT INTO heartbeats (process, kind, started_at, at, done, seconds)"
    " VALUES ('sender:1', 'sender', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 200, 1)"
    " ON CONFLICT (process) DO UPDATE SET at = excluded.at, done = excluded.done"
)


def _batch(turn: int) -> None:
    """As a sender of release 0.1.0 claims a batch and settles it by windows; one domain of it refuses."""
    with writing() as session:
        ids = _claimed(session, turn)
        session.execute(text(_REFUSED))
    for at in range(0, len(ids), WINDOW):
        with writing() as session:
            query = text(_SETTLE).bindparams(bindparam("ids", expanding=True))
            session.execute(query, {"ids": ids[at : at + WINDOW], "claim": turn})
    with writing() as session:
        session.execute(text(_HEARTBEAT))


def _claimed(session: Session, turn: int) -> list[int]:
    locked = "" if is_sqlite(session) else " FOR UPDATE SKIP LOCKED"
    ids = list(session.scalars(text(f"{_WAITING} LIMIT {BATCH}{locked}")))
    session.execute(text(_CLAIM).bindparams(bindparam("ids", expanding=True)), {"ids": ids, "claim": turn})
    return ids


# ---- a back-up ---------------------------------------------------------------------------------------------------


@contextmanager
def backed_up() -> Iterator[None]:
    """A transaction that reads all tables at one instant, as pg_dump's; the product's time-outs do not end it."""
    if engine().dialect.name == "sqlite":
        with engine().execution_options(purpose="reading").connect() as connection:
            for table in TOUCHED:
                connection.execute(text(f"SELECT 1 FROM {table} LIMIT 1")).all()
            yield
        return
    with psycopg.connect(settings().database_url.replace("+psycopg", "")) as raw:
        raw.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        raw.execute(f"LOCK TABLE {', '.join(TOUCHED)} IN ACCESS SHARE MODE")
        raw.execute("SELECT count(*) FROM digests")
        yield
        raw.rollback()
