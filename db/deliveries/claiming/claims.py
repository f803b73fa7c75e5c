"""The claim protocol: how a sender takes letters, so that each stays accounted for however the sender dies.

The window is the fence against a sender that lost its claim and runs on. `win` limits the letters that a sender has
begun (the first byte of the letter itself is sent, after the server's go-ahead) and not yet settled. A sender without
its claim cannot settle, so it stops within these letters, and recovery marks just these as in doubt. No clock has to be
right for that:

1. claim: a row in `claims`, then up to 200 letters under it, consent re-read (admission.py), in one transaction. Its
   moment is the Date of their messages. On PostgreSQL, whose answer to the commit can be lost, the row's `win` is 0 at
   first.
2. begin: once the commit was answered, the sender writes its window into the row (settlements.py), and then sends in
   the order of the ids. So a claim whose answer was lost leaves no letter in doubt.
3. settle every `win` letters.
4. extend the lease, with each settlement.
5. recover a lapsed claim (recovery.py): of the letters not settled the first `win` are in doubt, all later ones were
   never begun.

What a sender does from its second step on, letter by letter, is numbered in worker/sending/send_batch.py. One that
loses the database keeps its batch in memory and tries until it is written (worker/sending/unwritten.py).

The failure we choose is "at most once": a letter in doubt is held as `unknown` and not sent again, unless its kind's
rule (`doubt` in db.rules.LETTERS) or, for digests, ON_UNKNOWN says "resend".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Index, TextClause, bindparam, select, text
from sqlalchemy.ext.hybrid import hybrid_method
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.deliveries.claiming.admission import LATER, LONG_AGO, OVER, ClaimedLetter, Waits, admit, waits_of, within_rates
from db.deliveries.deliveries import WAITING, Delivery
from db.deliveries.limits import daily_limit, rate_limits, stops
from db.deliveries.limits.stops import NOTHING_STANDS, Standing
from db.digests.digests import IN_ORDER, OF_DIGEST, Digest
from db.driver import DriverConnection, driver_connection_of, moment_of
from db.register import Plain
from db.session import NEVER_REUSED, BigId, Key, Moment, Row


class Claim(Row):
    """A sender's claim on a batch of letters, until its lease lapses. `win` is its window, which recovery reads."""

    __tablename__ = "claims"
    __table_args__ = (Index("ix_claims_lease", "lease"), NEVER_REUSED)

    id: Mapped[Key]
    worker: Mapped[Plain]
    digest_id: Mapped[int | None] = mapped_column(BigId)
    lease: Mapped[datetime]
    win: Mapped[int]
    made_at: Mapped[datetime]
    reserved: Mapped[int | None]
    """Its letters as they count against SEND_DAILY; None without that limit."""

    @hybrid_method
    def has_lapsed(self, now: datetime) -> bool:
        """Whether its sender let the lease end without extending it. A hybrid method: true or false of one claim, a
        condition in queries."""
        return self.lease < now


@dataclass(frozen=True, slots=True)
class Batch:
    """A claim and its letters, in sending order."""

    claim: int
    digest_id: int | None
    win: int
    letters: tuple[ClaimedLetter, ...]
    worker: str = ""
    """Its sender and a random part. A claim whose commit was not answered may not exist, and its id may be given again
    (by PostgreSQL after a crash, by SQLite after any failure), so the id alone does not prove that a claim is ours."""
    counted: bool = False
    """Whether its letters count against SEND_DAILY."""
    standing: Standing = NOTHING_STANDS
    resumed_at: datetime | None = None
    """When its digest was last resumed: the stop rules count from then on."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a claim: its sender, number of letters, window, lease and limits."""

    worker: str
    limit: int
    win: int
    lease: timedelta
    connections: int = 1
    rate: float = 0.0
    daily: int = 0
    domain_rates: Mapping[str, float] = field(default_factory=dict)


class Wait(NamedTuple):
    """Nothing may be claimed now: try again after `seconds`, or (None) when a connection becomes free."""

    seconds: float | None


# ---- 1. claim ----------------------------------------------------------------------------------------------


def claim(session: Session, terms: Terms, digest_id: int | None, now: datetime) -> Batch | Wait | None:
    """Claim letters that are due: a digest's, or (None) those of all other letters. None if there are none.

    Each claim stands for a busy connection, so counting claims counts connections on all hosts. In the same
    transaction, letters whose recipients may no longer get them are skipped with a reason, and those held back by a
    domain's rate get a later time of their own.
    """
    with driver_connection_of(session) as driver:
        waits = Waits()
        if digest_id is not None:
            [(state, resumed_at, audience)] = driver.fetch(_STATE, (digest_id,))
            if state != "sending":
                return None
            waits = waits_of(moment_of(resumed_at), audience or 0, terms.rate, terms.daily)
        all_letters = rate_limits.lock(session, rate_limits.EVERYBODY, now)
        if _at_work(driver, now) >= terms.connections:
            return Wait(None)
        limit = terms.limit
        if terms.daily:
            room = daily_limit.room(session, all_letters, terms.daily, now, single=digest_id is None)
            if not room.letters:
                return None
            limit, waits = min(limit, room.letters), waits._replace(shut_until=room.shut_until or LONG_AGO)
        if terms.rate and not (limit := rate_limits.take(all_letters, terms.rate, limit, now)):
            return Wait(rate_limits.next_in(all_letters, terms.rate).total_seconds())
        number = _take(driver, terms, digest_id, limit, now)
        if number is None:
            return None
        standing = stops.standing(driver, digest_id)
        letters, over = admit(session, driver, number, waits, standing.held, now)
    letters, later = within_rates(session, letters, terms.domain_rates, standing.held, now)
    all_letters.tokens += len(over) + len(later) if terms.rate else 0  # letters that nobody sends take none
    if over:
        session.execute(OVER, over)
    if later:
        session.execute(LATER, later)
    counted = all_letters.counted_since is not None  # also by senders that run without SEND_DAILY themselves
    if counted:
        daily_limit.reserve(session, number, len(letters))
    return Batch(number, digest_id, terms.win, tuple(letters), terms.worker, counted, standing, waits.resumed_at)


_STATE = "SELECT state, resumed_at, audience FROM digests WHERE id = ?"


def _at_work(driver: DriverConnection, now: datetime) -> int:
    [(count,)] = driver.fetch("SELECT count(*) FROM claims WHERE lease > ?", (driver.at(now),))
    return int(count)


def _take(driver: DriverConnection, terms: Terms, digest_id: int | None, limit: int, now: datetime) -> int | None:
    at = driver.at(now)
    # The answer to a commit can be lost on its way from PostgreSQL. SQLite is in the same process.
    win = terms.win if driver.sqlite else 0
    made = terms.worker, digest_id, driver.at(now + terms.lease), win, at
    [(number,)] = driver.fetch(_CLAIM, made)
    due = _DUE.format(what=_SINGLE, order=" ORDER BY id") if digest_id is None else _DUE_OF_DIGEST
    about = () if digest_id is None else (digest_id, digest_id)
    if driver.sqlite:
        taken = driver.execute(_TAKE_SQLITE.format(due=due), (number, at, *about, at, limit))
    else:
        taken = driver.execute(_TAKE_POSTGRESQL.format(due=due), (*about, at, limit, number, at))
    if not taken:
        driver.execute("DELETE FROM claims WHERE id = ?", (number,))
        return None
    return int(number)


_SINGLE = "letter IN ('" + "', '".join(letter for letter in rules.LETTERS if letter != "digest") + "')"
"""SQL for all letters but digests. A kind of letter that this release does not know waits for one that does."""
_CLAIM = "INSERT INTO claims (worker, digest_id, lease, win, made_at) VALUES (?, ?, ?, ?, ?) RETURNING id"
_DUE = f"SELECT id FROM deliveries WHERE {{what}} AND {WAITING.text} AND not_before <= ?{{order}} LIMIT ?"
_DUE_OF_DIGEST = _DUE.format(what=OF_DIGEST.format(digest="?"), order=IN_ORDER)
_TAKE_SQLITE = "UPDATE deliveries SET state = 'sending', claim = ?, claimed_at = ?, reason = NULL WHERE id IN ({due})"
_TAKE_POSTGRESQL = (
    "WITH due AS MATERIALIZED ({due} FOR UPDATE SKIP LOCKED)"
    " UPDATE deliveries SET state = 'sending', claim = ?, claimed_at = ?, reason = NULL"
    " WHERE id IN (SELECT id FROM due)"
)

# ---- the claim's end -----------------------------------------------------------------------------------------


def release(session: Session, batch: Batch, now: datetime, sent: int | None = None) -> int | None:
    """Give back the letters that were never begun, and end the claim. Returns how many; None if the claim is gone.

    `sent` is how many letters the server took or may have taken; None takes all that were begun for sent. Only
    SEND_DAILY asks.
    """
    with driver_connection_of(session) as driver:
        lock = "" if driver.sqlite else " FOR UPDATE"
        own = batch.claim, batch.worker
        found = driver.fetch(f"SELECT reserved FROM claims WHERE id = ? AND worker = ?{lock}", own)
        single = batch.digest_id is None
        if not found:
            if batch.counted:  # what was sent since recovery ended the claim was counted then, and counts from now
                daily_limit.end(driver, batch.win if sent is None else min(batch.win, sent), now, single=single)
            return None
        back = driver.execute(_GIVE_BACK, (batch.claim,))
        driver.execute("DELETE FROM claims WHERE id = ?", (batch.claim,))
        if (reserved := found[0][0]) is not None:
            daily_limit.end(driver, reserved - back if sent is None else sent, now, single=single)
    return back


_GIVE_BACK = "UPDATE deliveries SET state = 'pending', claim = NULL WHERE claim = ? AND state = 'sending'"


# ---- queries -------------------------------------------------------------------------------------------------


def owed(session: Session, now: datetime) -> list[int | None]:
    """The due work: None for the single letters, which go first, then the ids of digests in order."""
    waiting: list[ColumnElement[bool] | TextClause] = [WAITING, Delivery.not_before <= now]
    rows: list[int | None] = []
    if session.scalar(select(Delivery.id).where(text(_SINGLE), *waiting).limit(1)) is not None:
        rows.append(None)
    for digest_id in session.scalars(select(Digest.id).where(Digest.state == "sending").order_by(Digest.id)):
        if session.scalar(_OWED, {"digest": digest_id, "now": now}) is not None:
            rows.append(digest_id)
    return rows


_OWED = text(
    f"SELECT id FROM deliveries WHERE {OF_DIGEST.format(digest=':digest')} AND {WAITING.text}"
    f" AND not_before <= :now{IN_ORDER} LIMIT 1"
).bindparams(bindparam("now", type_=Moment()))


def at_work(session: Session, now: datetime) -> int:
    """The number of busy connections, over all senders on all hosts."""
    with driver_connection_of(session) as driver:
        return _at_work(driver, now)
