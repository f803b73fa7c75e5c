"""The claim protocol: how a sender takes letters, so that each stays accounted for however the sender dies.

The window is the fence against a sender that lost its claim and runs on. `win` limits the letters that a sender has
begun (the first byte of the letter itself is sent, after the server's go-ahead) and not yet settled. A sender without
its claim cannot settle, so it stops within these letters, and recovery marks just these as in doubt. No clock has to be
right for that:

1. claim: a row in `claims`, then up to 200 letters under it, consent re-read, in one transaction. Its moment is the
   Date of their messages. On PostgreSQL, whose answer to the commit can be lost, the row's `win` is 0 at first.
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
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Index, TextClause, bindparam, select, text
from sqlalchemy.ext.hybrid import hybrid_method
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.addresses import hashes_of
from db.deliveries import breakers, daily_limit, outages, rate_limits, stops
from db.deliveries.breakers import domain_of
from db.deliveries.deliveries import WAITING, Delivery
from db.deliveries.stops import NOTHING_STANDS, Standing
from db.digests.digests import IN_ORDER, OF_DIGEST, Digest
from db.driver import DriverConnection, driver_connection_of, moment_of
from db.operators import operators
from db.persons import number_in
from db.register import Plain
from db.rules import Person
from db.session import NEVER_REUSED, BigId, Key, Moment, Row
from db.subscribers import suppressions


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


class ClaimedLetter(NamedTuple):
    """One letter under a claim. `hashes` are those under which its address could be suppressed; the letter expires a
    fixed time after `old_from`; `claimed_at` is the Date of its message, and `own_votes` its reader's votes when it was
    addressed."""

    id: int
    letter: str
    about: int
    person: str
    address: str
    tries: int
    created_at: datetime
    since: datetime | None
    hashes: tuple[str, ...]
    old_from: datetime
    claimed_at: datetime
    own_votes: str = ""


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


LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Waits(NamedTuple):
    """The waits of a claim's letters that make none of them old.

    When the paused digest was resumed, until when SEND_DAILY was reached last, and how long the whole digest takes at
    SEND_RATE. A letter that was tried is excused by the `days` that the digest takes at SEND_DAILY instead: on a site
    that reaches its limit every day, one that is deferred again and again would be tried for ever.
    """

    resumed_at: datetime = LONG_AGO
    shut_until: datetime = LONG_AGO
    takes: timedelta = timedelta()
    days: timedelta = timedelta()


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
            waits = _waits(moment_of(resumed_at), audience or 0, terms)
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
        letters, over = _admit(session, driver, number, waits, standing.held, now)
    letters, later = _within_rates(session, letters, terms.domain_rates, standing.held, now)
    all_letters.tokens += len(over) + len(later) if terms.rate else 0  # letters that nobody sends take none
    if over:
        session.execute(_OVER, over)
    if later:
        session.execute(_LATER, later)
    counted = all_letters.counted_since is not None  # also by senders that run without SEND_DAILY themselves
    if counted:
        daily_limit.reserve(session, number, len(letters))
    return Batch(number, digest_id, terms.win, tuple(letters), terms.worker, counted, standing, waits.resumed_at)


def _waits(resumed_at: datetime | None, people: int, terms: Terms) -> Waits:
    """The waits of a digest to that many people."""
    takes = timedelta(seconds=people / terms.rate) if terms.rate else timedelta()
    each_day = terms.daily - rules.daily_reserve(terms.daily, 0)
    days = timedelta(days=max(0, people - 1) // each_day) if terms.daily else timedelta()
    return Waits(resumed_at or LONG_AGO, takes=takes, days=days)


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


def _within_rates(
    session: Session, letters: list[ClaimedLetter], rates: Mapping[str, float], held: frozenset[str], now: datetime
) -> tuple[list[ClaimedLetter], list[dict[str, Any]]]:
    """The letters that their domains' rates allow now, and later times for the others."""
    domains = {domain_of(letter.address) for letter in letters}
    shut = breakers.open_for_domains(session, domains, now)
    if not shut and not domains & rates.keys() and not domains & held:
        return letters, []
    kept, later = [], []
    for domain in sorted(domains):
        here = [letter for letter in letters if domain_of(letter.address) == domain]
        room, times = len(here), list[datetime]()
        if domain in held:
            kept += [letter for letter in here if letter.letter == "alert"]  # perhaps the alert that says so
            here = [letter for letter in here if letter.letter != "alert"]
            room, times = 0, [now + stops.ASKED_AGAIN] * len(here)
        elif domain in shut:
            room, times = 0, [shut[domain]] * len(here)
        elif domain in rates:
            row = rate_limits.lock_domain(session, domain, now)
            room = rate_limits.take(row, rates[domain], len(here), now)
            times = rate_limits.queue(row, rates[domain], len(here) - room, now)
        kept += here[:room]
        # Only the domain's own reply counts as a try: a wait for our rate limit must not age a letter.
        told: dict[str, Any] = {"reason": "its domain's rate", "now": None}
        if domain in held:
            told["reason"] = stops.REASON
        elif domain in shut:
            told = {"reason": "its domain defers", "now": now}
        later += [{"id": each.id, "at": at, **told} for each, at in zip(here[room:], times, strict=True)]
    return sorted(kept), later


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

_ADDRESS = "coalesce(s.address, t.address, o.address) AS address"
_WITH_RECIPIENT = (
    " FROM deliveries AS d"
    " LEFT JOIN subscribers AS s"
    f" ON s.id = {number_in('d.person')}"
    " LEFT JOIN test_letters AS t ON d.letter = 'test' AND t.id = d.about"
    f" LEFT JOIN operators AS o ON o.id = {number_in('d.person', 'operator')}"
)
_CLAIMED = (
    "SELECT d.id, d.letter, d.about, d.person, d.tries, d.created_at, d.not_before, d.settled_at, d.own_votes,"
    f" {_ADDRESS}, coalesce(s.state, 'named') AS state, s.paused_until, s.confirmed_at{_WITH_RECIPIENT}"
    " AND o.alerts AND o.disabled_at IS NULL"
    " WHERE d.claim = ? AND d.state = 'sending' ORDER BY d.id"
)
"""The claimed letters with their recipients' consent in one query: a query per row would cost as much as sending."""

_NOW = bindparam("now", type_=Moment())
_LATER = text(
    "UPDATE deliveries SET state = 'deferred', reason = :reason, not_before = :at, claim = NULL,"
    " settled_at = coalesce(:now, settled_at) WHERE id = :id"
).bindparams(bindparam("at", type_=Moment()), _NOW)
_OVER = text(
    "UPDATE deliveries SET state = :state, reason = :reason, settled_at = :now WHERE id = :id"
).bindparams(_NOW)  # fmt: skip


def _admit(
    session: Session, driver: DriverConnection, number: int, waits: Waits, held: frozenset[str], now: datetime
) -> tuple[list[ClaimedLetter], list[dict[str, Any]]]:
    """The letters to send, and the final states of the others. No letter expires by a wait that is not its own: a
    digest's pause, SEND_DAILY, SEND_RATE, the time in which the mail server refused all, or its domain's being held."""
    rows = driver.fetch(_CLAIMED, (number,))
    hashed = {address: tuple(hashes_of(address)) for *_, address, _, _, _ in rows if address}
    listed = suppressions.listed(session, [each for hashes in hashed.values() for each in hashes])
    moments = dict[Any, datetime]()  # each timestamp is parsed once: most letters of a page have the same ones

    def at(kept: Any) -> datetime:
        if kept not in moments:
            moments[kept] = moment_of(kept) or LONG_AGO
        return moments[kept]

    spans = outages.known(driver)

    def aged_from(moment: datetime) -> datetime:
        return moment + waits.takes + (outages.within(spans, moment, now) if spans else timedelta(0))

    letters, over = [], []
    for id_, letter, about, person, tries, created, due, settled, own, address, state, paused, since in rows:
        # A letter that was tried ages from its creation. One that was never tried, or was queued again by an operator
        # (which clears settled_at), ages from the moment that it is due and SEND_DAILY allows letters.
        created_at = at(created)
        began = created_at + waits.days if settled else max(created_at, at(due), waits.shut_until)
        old_from = aged_from(max(waits.resumed_at, began))
        hashes = hashed.get(address, ())
        suppressed = bool(listed) and not listed.isdisjoint(hashes)
        if suppressed and letter == "confirm":
            suppressed = not suppressions.hard_bounce_may_have_passed(session, hashes, now)
        if suppressed and letter == "test":
            suppressed = not operators.signs_in_with(session, address)  # operators may try whether mail arrives again
        reason = rules.why_not(letter, Person(address, state, moment_of(paused), suppressed), now)
        if reason is not None:
            over.append({"id": id_, "state": "skipped", "reason": reason, "now": now})
        elif now > old_from + rules.LETTERS[letter].given_up_after and domain_of(address) not in held:
            over.append({"id": id_, "state": "failed", "reason": "given up", "now": now})
        else:
            since = moment_of(since)
            given = id_, letter, about, person, address, tries, created_at, since, hashes, old_from, now, own or ""
            letters.append(ClaimedLetter(*given))
    return letters, over


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


def recipient(session: Session, delivery_id: int) -> tuple[str | None, datetime | None]:
    """The address of a delivery's recipient, if it is still known, and since when they are a subscriber."""
    with driver_connection_of(session) as driver:
        [(address, since)] = driver.fetch(
            f"SELECT {_ADDRESS}, s.confirmed_at{_WITH_RECIPIENT} WHERE d.id = ?", (delivery_id,)
        )
    return address, moment_of(since)


def at_work(session: Session, now: datetime) -> int:
    """The number of busy connections, over all senders on all hosts."""
    with driver_connection_of(session) as driver:
        return _at_work(driver, now)
