"""Which of the letters just claimed may be sent: consent, age, and what their domains allow."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

from db import rules
from db.addresses import hashes_of
from db.deliveries import reasons
from db.deliveries.claiming.recipients import ADDRESS, WITH_RECIPIENT
from db.deliveries.limits import breakers, outages, rate_limits, stops
from db.deliveries.limits.breakers import domain_of
from db.driver import DriverConnection, moment_of
from db.operators import operators
from db.rules import Person
from db.session import Moment
from db.subscribers import suppressions


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


def waits_of(resumed_at: datetime | None, people: int, rate: float, daily: int) -> Waits:
    """The waits of a digest to that many people, under SEND_RATE and SEND_DAILY."""
    takes = timedelta(seconds=people / rate) if rate else timedelta()
    each_day = daily - rules.daily_reserve(daily, 0)
    days = timedelta(days=max(0, people - 1) // each_day) if daily else timedelta()
    return Waits(resumed_at or LONG_AGO, takes=takes, days=days)


# ---- consent and age ---------------------------------------------------------------------------------------


def admit(
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
            over.append({"id": id_, "state": "failed", "reason": reasons.GIVEN_UP, "now": now})
        else:
            since = moment_of(since)
            given = id_, letter, about, person, address, tries, created_at, since, hashes, old_from, now, own or ""
            letters.append(ClaimedLetter(*given))
    return letters, over


_CLAIMED = (
    "SELECT d.id, d.letter, d.about, d.person, d.tries, d.created_at, d.not_before, d.settled_at, d.own_votes,"
    f" {ADDRESS}, coalesce(s.state, 'named') AS state, s.paused_until, s.confirmed_at{WITH_RECIPIENT}"
    " AND o.alerts AND o.disabled_at IS NULL"
    " WHERE d.claim = ? AND d.state = 'sending' ORDER BY d.id"
)
"""The claimed letters with their recipients' consent in one query: a query per row would cost as much as sending."""


# ---- their domains -----------------------------------------------------------------------------------------


def within_rates(
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
            told = {"reason": reasons.DOMAIN_DEFERS, "now": now}
        later += [{"id": each.id, "at": at, **told} for each, at in zip(here[room:], times, strict=True)]
    return sorted(kept), later


# ---- what becomes of the others ----------------------------------------------------------------------------

_NOW = bindparam("now", type_=Moment())
LATER = text(
    "UPDATE deliveries SET state = 'deferred', reason = :reason, not_before = :at, claim = NULL,"
    " settled_at = coalesce(:now, settled_at) WHERE id = :id"
).bindparams(bindparam("at", type_=Moment()), _NOW)
OVER = text(
    "UPDATE deliveries SET state = :state, reason = :reason, settled_at = :now WHERE id = :id"
).bindparams(_NOW)  # fmt: skip
