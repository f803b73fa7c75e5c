"""Settle: write down what became of the letters begun, and ask who of the next ones has left meanwhile.

Every settlement is conditional on the claim and touches the claim's row first; fewer rows than expected mean that an
earlier answer was lost on its way to us, or that we are fenced.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from db import rules
from db.claims import Batch, Taken
from db.deliveries import Delivery, subscriber_id
from db.rules import Person
from db.subscribers import hashes_of


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one letter: the state it moves to, and the server's own words."""

    id: int
    state: str
    reason: str | None = None
    code: int | None = None
    reply: str | None = None
    not_before: datetime | None = None
    tried: int = 1


class Fenced(Exception):
    """The claim was recovered by somebody else while we were away: drop the batch and claim anew."""


# ---- 3. settle, 4. extend ------------------------------------------------------------------------------------


def settle(
    connection: Connection, batch: Batch, outcomes: Sequence[Settlement], lease: timedelta, now: datetime
) -> None:
    """Write down what became of these letters, and extend the lease. Raises Fenced when the claim is no longer ours.

    An order whose answer was lost on the way may be given again: rows that carry our claim and have left `sending`
    were settled by us.
    """
    if connection.dialect.name == "sqlite":
        with connection.begin():
            done = _settle_sqlite(connection, batch, outcomes, now + lease, now)
    else:
        done = _settle_postgresql(connection, batch, outcomes, now + lease, now)
    if done != len(outcomes):
        _recount(connection, batch, outcomes, now)


def _settle_sqlite(
    connection: Connection, batch: Batch, outcomes: Sequence[Settlement], lease: datetime, now: datetime
) -> int:
    held = connection.exec_driver_sql("UPDATE claims SET lease = ? WHERE id = ?", (_stamp(lease), batch.claim))
    if held.rowcount != 1:
        return -1
    if not outcomes:
        return 0
    at = _stamp(now)
    rows = [
        (
            o.state,
            o.reason,
            o.code,
            o.reply,
            o.tried,
            o.not_before and _stamp(o.not_before),
            at,
            o.id,
            batch.claim,
        )
        for o in outcomes
    ]
    return connection.exec_driver_sql(_SETTLE_SQLITE, rows).rowcount


_SETTLE_SQLITE = (
    "UPDATE deliveries SET state = ?, reason = ?, code = ?, reply = ?, tries = tries + ?,"
    " not_before = coalesce(?, not_before), settled_at = ? WHERE id = ? AND claim = ? AND state = 'sending'"
)


def _stamp(moment: datetime) -> str:
    """A moment as SQLAlchemy writes it on SQLite; these statements go past its types, which cost more than they."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _settle_postgresql(
    connection: Connection, batch: Batch, outcomes: Sequence[Settlement], lease: datetime, now: datetime
) -> int:
    columns = [list(column) for column in zip(*(
        (o.id, o.state, o.reason, o.code, o.reply, o.tried, o.not_before) for o in outcomes
    ), strict=True)] or [[] for _ in range(7)]  # fmt: skip
    held, done = connection.exec_driver_sql(_SETTLE_POSTGRESQL, (lease, batch.claim, now, *columns)).one()
    return int(done) if held else -1


_SETTLE_POSTGRESQL = """
    WITH mine AS (UPDATE claims SET lease = %s WHERE id = %s RETURNING id),
    done AS (
        UPDATE deliveries AS d SET state = o.state, reason = o.reason, code = o.code, reply = o.reply,
            tries = d.tries + o.tried, not_before = coalesce(o.not_before, d.not_before), settled_at = %s
        FROM mine, unnest(%s::bigint[], %s::text[], %s::text[], %s::int[], %s::text[], %s::int[], %s::timestamptz[])
            AS o(id, state, reason, code, reply, tried, not_before)
        WHERE d.id = o.id AND d.claim = mine.id AND d.state = 'sending' RETURNING 1)
    SELECT (SELECT count(*) FROM mine), (SELECT count(*) FROM done)
"""


def _recount(connection: Connection, batch: Batch, outcomes: Sequence[Settlement], now: datetime) -> None:
    ids = [outcome.id for outcome in outcomes]
    ours = select(Delivery.id, Delivery.state).where(Delivery.id.in_(ids), Delivery.claim == batch.claim)
    if connection.dialect.name == "sqlite":
        with connection.begin():
            states = dict(connection.execute(ours).all())
            fenced = _rescue(connection, outcomes, states, now)
    else:
        states = dict(connection.execute(ours).all())
        fenced = _rescue(connection, outcomes, states, now)
    if fenced or len(states) != len(ids):
        raise Fenced


def _rescue(connection: Connection, outcomes: Sequence[Settlement], states: dict[int, str], now: datetime) -> bool:
    """Whether we are fenced; letters of ours held in doubt, of which we know that the server took them, are sent."""
    doubted = [o for o in outcomes if states.get(o.id) == "unknown"]
    for known in doubted:
        if known.state == "sent":
            connection.execute(
                update(Delivery).where(Delivery.id == known.id, Delivery.state == "unknown")
                .values(state="sent", reason=None, code=known.code, reply=known.reply, settled_at=now)
            )  # fmt: skip
    return bool(doubted) or any(states.get(o.id) in (None, "sending") for o in outcomes)


def withdrawn(connection: Connection, batch: Batch, letters: Sequence[Taken], now: datetime) -> dict[int, str] | None:
    """Which of a digest's next letters may no longer go, each with its reason; None when the digest may not.

    Asked after every settle, so that after someone leaves at most the letters within the window can still arrive.
    """
    ids = [number for letter in letters if (number := subscriber_id(letter.person)) is not None]
    hashed = [each for letter in letters for each in hashes_of(letter.address)]
    sqlite = connection.dialect.name == "sqlite"
    given = (batch.digest_id, _json(ids), _json(hashed)) if sqlite else (batch.digest_id, ids, hashed)
    found = connection.exec_driver_sql(_ASK_SQLITE if sqlite else _ASK_POSTGRESQL, given).all()
    if sqlite:
        connection.rollback()  # ends the read that the question began
    if not found:
        return {}
    if any(kind == "digest" for kind, *_ in found):
        return None
    listed = {named for kind, named, *_ in found if kind == "suppressed"}
    people = {int(number): (state, paused) for kind, number, state, paused in found if kind == "person"}
    reasons = {}
    for letter in letters:
        state, paused = people.get(subscriber_id(letter.person) or 0, ("active", None))
        gone = listed.intersection(hashes_of(letter.address)) if listed else False
        until = datetime.fromisoformat(f"{paused}+00:00") if isinstance(paused, str) else paused
        reason = rules.why_not(letter.letter, Person(letter.address, state, until, bool(gone)), now)
        if reason is not None:
            reasons[letter.id] = reason
    return reasons


_ASK = """
    SELECT 'digest' AS kind, state AS named, NULL AS state, {none} AS paused FROM digests
        WHERE id = {p} AND state <> 'sending'
    UNION ALL SELECT 'person', CAST(id AS text), state, paused_until FROM subscribers
        WHERE id {among} AND (state <> 'active' OR paused_until IS NOT NULL)
    UNION ALL SELECT 'suppressed', address_hash, NULL, {none} FROM suppressions WHERE address_hash {among}
"""
_ASK_SQLITE = _ASK.format(p="?", none="NULL", among="IN (SELECT value FROM json_each(?))")
_ASK_POSTGRESQL = _ASK.format(p="%s", none="NULL::timestamptz", among="= ANY(%s)")


def _json(values: list[Any]) -> str:
    return "[" + ",".join(f'"{each}"' if isinstance(each, str) else str(each) for each in values) + "]"
