"""Settles letters: records the outcomes of those begun, and re-reads consent for the next ones.

Every settlement is conditional on the claim and locks the claim's row first. Fewer rows than expected mean that the
database's reply to an earlier try was lost, or that this sender is fenced.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from db import rules
from db.deliveries.claiming import hard_bounces
from db.deliveries.claiming.admission import ClaimedLetter
from db.deliveries.claiming.claims import Batch
from db.driver import DriverConnection, moment_of
from db.persons import subscriber_id
from db.rules import Person


class Settlement(NamedTuple):
    """One letter's outcome: its new state, the server's reply, and by which message it was tried."""

    id: int
    state: str
    reason: str | None = None
    code: int | None = None
    reply: str | None = None
    not_before: datetime | None = None
    tried: int = 1
    hard: bool = False
    """Whether the server says that the address does not exist."""
    fingerprint: bytes | None = None
    """That of the message (see fingerprints.py); None if it was not tried now."""


class Fenced(Exception):
    """Another process recovered the claim meanwhile: drop the batch and claim again."""


CLAIM_GONE = -1
"""Returned instead of the number settled: the claim's row is gone, whatever its letters' states are. An operator may
have resolved the unknown ones meanwhile, and then they look as if this sender had settled them."""


def begin(driver: DriverConnection, batch: Batch, lease: timedelta, now: datetime) -> None:
    """2. Let a claim that was answered count its window; no letter is begun before. Raises Fenced if the claim is gone.

    On SQLite it counts from its commit on.
    """
    if not driver.sqlite and driver.execute(_BEGIN, (batch.win, now + lease, batch.claim, batch.worker)) != 1:
        raise Fenced


_BEGIN = "UPDATE claims SET win = ?, lease = ? WHERE id = ? AND worker = ?"


def settle(
    driver: DriverConnection,
    batch: Batch,
    begun: Sequence[Settlement],
    next_: Sequence[ClaimedLetter],
    lease: timedelta,
    now: datetime,
) -> dict[int, str] | None:
    """Record the outcomes of the letters begun, suppress the addresses that do not exist, extend the lease, and re-read
    consent for the next ones.

    Returns which of `next_` may no longer be sent, each with its reason; None when the whole digest must stop. So
    after someone unsubscribes, at most the letters within the window can still arrive. Raises Fenced when the claim
    is lost. Idempotent: a settlement whose reply was lost may be repeated.
    """
    hard = [(each.id, each.reply) for each in begun if each.hard]
    if driver.sqlite:
        with driver.transaction():
            done = _settle_sqlite(driver, batch, begun, now + lease, now)
            hard_bounces.suppress(driver, batch, hard, now)
            gone = _withdrawn(_exceptions(driver, batch, next_), next_, now)
    elif hard:
        with driver.transaction():
            hard_bounces.lock(driver, batch)
            done, found = _settle_postgresql(driver, batch, begun, next_, now + lease, now)
            hard_bounces.suppress(driver, batch, hard, now)
            gone = _withdrawn(found, next_, now)
    else:
        done, found = _settle_postgresql(driver, batch, begun, next_, now + lease, now)
        gone = _withdrawn(found, next_, now)
    if done != len(begun):
        with driver.transaction():
            states = _ours(driver, batch, begun)
            _keep_known(driver, batch, begun, states, now)
        if done == CLAIM_GONE or any(states.get(each.id) in (None, "sending") for each in begun):
            raise Fenced
    return gone


def _settle_sqlite(
    driver: DriverConnection, batch: Batch, begun: Sequence[Settlement], lease: datetime, now: datetime
) -> int:
    if driver.execute("UPDATE claims SET lease = ? WHERE id = ?", (driver.at(lease), batch.claim)) != 1:
        return CLAIM_GONE
    rows = _rows(driver, batch, begun, now)
    return driver.executemany(_SETTLE_SQLITE, rows) if rows else 0


def _rows(driver: DriverConnection, batch: Batch, begun: Sequence[Settlement], now: datetime) -> list[tuple[Any, ...]]:
    """The parameters of _SETTLE_ONE for each."""
    at, claim = driver.at(now), batch.claim
    return [
        (o.state, o.reason, o.code, o.reply, o.tried, o.not_before and driver.at(o.not_before), o.fingerprint,
         at, o.id, claim)
        for o in begun
    ]  # fmt: skip


_SETTLE_ONE = (
    "UPDATE deliveries SET state = ?, reason = ?, code = ?, reply = ?, tries = tries + ?,"
    " not_before = coalesce(?, not_before), fingerprint = coalesce(?, fingerprint), settled_at = ?"
    " WHERE id = ? AND claim = ? AND state {states}"
)
_SETTLE_SQLITE = _SETTLE_ONE.format(states="= 'sending'")


def _settle_postgresql(
    driver: DriverConnection,
    batch: Batch,
    begun: Sequence[Settlement],
    next_: Sequence[ClaimedLetter],
    lease: datetime,
    now: datetime,
) -> tuple[int, list[tuple[Any, ...]]]:
    """The number of letters settled, and the rows of those next ones that may no longer be sent. Both come from one
    statement, because a second round trip would take as long as sending a letter."""
    rows = json.dumps([
        (*o[:5], o.not_before and o.not_before.isoformat(), o.tried, o.fingerprint and o.fingerprint.hex())
        for o in begun
    ])  # fmt: skip
    asked = _asked(driver, batch, next_)
    found = driver.fetch(_SETTLE_POSTGRESQL if asked else _SETTLE_ONLY, (lease, batch.claim, now, rows, *asked))
    [(_, held, done, _)] = [row for row in found if row[0] == "settled"]
    return int(done) if int(held) else CLAIM_GONE, [row for row in found if row[0] != "settled"]


def _ours(driver: DriverConnection, batch: Batch, begun: Sequence[Settlement]) -> dict[int, str]:
    """The state of each letter begun whose row still names our claim, by the letter's id."""
    ids = [each.id for each in begun]
    if driver.sqlite:
        return dict(driver.fetch(_OURS.format(among=_AMONG_SQLITE), (batch.claim, str(ids))))
    return dict(driver.fetch(_OURS.format(among=_AMONG_POSTGRESQL), (batch.claim, ids)))


def _keep_known(
    driver: DriverConnection, batch: Batch, begun: Sequence[Settlement], states: dict[int, str], now: datetime
) -> None:
    """Record known outcomes of letters that recovery marked unknown. A letter that the server accepted is sent, even if
    it was queued again."""
    for known, row in zip(begun, _rows(driver, batch, begun, now), strict=True):
        state = states.get(known.id)
        if (state == "unknown" and known.state != "unknown") or (state == "pending" and known.state == "sent"):
            driver.execute(_KNOWN, row)


_OURS = "SELECT id, state FROM deliveries WHERE claim = ? AND id {among}"
_KNOWN = _SETTLE_ONE.format(states="IN ('unknown', 'pending')")


def give_back(driver: DriverConnection, batch: Batch, last: int) -> int:
    """Queue again the letters in a fenced sender's window that it never began; `last` is the last that it began.

    Recovery had to mark the whole window unknown; only the sender knows better. Returns the number given back.
    """
    ids = [letter.id for letter in batch.letters if letter.id > last][: batch.win]
    if driver.sqlite:
        with driver.transaction():
            return driver.execute(_GIVE_BACK.format(among=_AMONG_SQLITE), (batch.claim, str(ids)))
    return driver.execute(_GIVE_BACK.format(among=_AMONG_POSTGRESQL), (batch.claim, ids))


_GIVE_BACK = (
    "UPDATE deliveries SET state = 'pending', claim = NULL, reason = NULL"
    " WHERE claim = ? AND id {among} AND state = 'unknown'"
)


def _exceptions(driver: DriverConnection, batch: Batch, letters: Sequence[ClaimedLetter]) -> list[tuple[Any, ...]]:
    asked = _asked(driver, batch, letters)
    return driver.fetch(_ASK_SQLITE, asked) if asked else []


def _asked(driver: DriverConnection, batch: Batch, letters: Sequence[ClaimedLetter]) -> tuple[Any, ...]:
    """The parameters of _ASK: the digest, its next readers, the hashes of their addresses. Empty if nothing needs to be
    asked: for single letters, or when no letter comes next."""
    if batch.digest_id is None or not letters:
        return ()
    ids = str([subscriber_id(letter.person) for letter in letters])
    hashes = json.dumps([each for letter in letters for each in letter.hashes])
    if driver.sqlite:
        return batch.digest_id, ids, hashes
    return (
        batch.digest_id,
        f"{{{ids[1:-1]}}}",
        f"{{{hashes[1:-1]}}}",
    )  # the driver's own list adaptation is ten times slower


def _withdrawn(
    found: Sequence[tuple[Any, ...]], letters: Sequence[ClaimedLetter], now: datetime
) -> dict[int, str] | None:
    """Which of a digest's letters may no longer be sent, each with its reason; None when the whole digest must stop."""
    if not found:
        return {}
    if any(kind == "digest" for kind, *_ in found):
        return None
    listed = {named for kind, named, *_ in found if kind == "suppressed"}
    people = {named: (state, moment_of(paused)) for kind, named, state, paused in found if kind == "person"}
    reasons = {}
    for letter in letters:
        state, paused = people.get(str(subscriber_id(letter.person)), ("active", None))
        person = Person(letter.address, state, paused, not listed.isdisjoint(letter.hashes))
        reason = rules.why_not(letter.letter, person, now)
        if reason is not None:
            reasons[letter.id] = reason
    return reasons


_ASK = """
    SELECT 'digest', state, NULL, {none} FROM digests WHERE id = ? AND state <> 'sending'
    UNION ALL SELECT 'person', CAST(id AS text), state, paused_until FROM subscribers
        WHERE id {people} AND (state <> 'active' OR paused_until IS NOT NULL)
    UNION ALL SELECT 'suppressed', address_hash, NULL, {none} FROM suppressions WHERE address_hash {hashes}
"""
"""Selects exceptions only, since most letters have none."""
_AMONG_SQLITE, _AMONG_POSTGRESQL = "IN (SELECT value FROM json_each(?))", "= ANY(?)"
_ASK_SQLITE = _ASK.format(none="NULL", people=_AMONG_SQLITE, hashes=_AMONG_SQLITE)
_ASK_POSTGRESQL = _ASK.format(none="NULL::timestamptz", people="= ANY(?::bigint[])", hashes="= ANY(?::text[])")

_SETTLE_ONLY = """
    WITH mine AS (UPDATE claims SET lease = ? WHERE id = ? RETURNING id),
    done AS (
        UPDATE deliveries AS d SET state = o.state, reason = o.reason, code = o.code, reply = o.reply,
            tries = d.tries + o.tried, not_before = coalesce(o.not_before, d.not_before),
            fingerprint = coalesce(o.fingerprint, d.fingerprint), settled_at = ?
        FROM mine, (
            SELECT CAST(o->>0 AS bigint) AS id, o->>1 AS state, o->>2 AS reason, CAST(o->>3 AS int) AS code,
                o->>4 AS reply, CAST(o->>5 AS timestamptz) AS not_before, CAST(o->>6 AS int) AS tried,
                decode(o->>7, 'hex') AS fingerprint
            FROM json_array_elements(?::json) AS o) AS o
        WHERE d.id = o.id AND d.claim = mine.id AND d.state = 'sending' RETURNING 1)
    SELECT 'settled', (SELECT count(*) FROM mine)::text, (SELECT count(*) FROM done)::text, NULL::timestamptz
"""
_SETTLE_POSTGRESQL = _SETTLE_ONLY + " UNION ALL " + _ASK_POSTGRESQL
