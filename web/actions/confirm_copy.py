"""Confirming that a copy takes over: who departed since is let go, and what may have gone out since is held.

Without the old database nothing is known of the time after the copy. So no letter that was owed then is sent: a reader
may have it already. With it, each letter gets the outcome that it has there, and what is still owed there is owed here.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from db import guard, schema
from db.copies import departures, in_flight
from db.copies.departures import Departure, Listed
from db.deliveries import addressing, deliveries
from db.deliveries.claiming import recovery
from db.digests import digests, rule_history
from db.digests.digests import Digest
from db.engine import elsewhere, same_database
from db.errors import SQLAlchemyError
from db.guard import Guard
from db.monitoring import heartbeats
from db.operators import audit
from db.operators.audit import Actor
from db.rules import Refused
from db.session import Session, reading, writing
from db.settings import settings
from db.subscribers import subscriptions
from web.actions.subscribers import subscribers
from worker.digests import drafts

LAPSED = timedelta(hours=1)
"""By then every lease has lapsed."""
CHANNEL = "the old database, when its copy took over"


@dataclass
class Findings:
    """What confirming would do, and what the old database tells."""

    how: str
    copied_at: datetime
    old: bool
    digests: dict[str, int] = field(default_factory=dict)
    """By slot: the letters that were on their way."""
    held: list[str] = field(default_factory=list)
    """Slots whose digest may have gone out since; it is held."""
    letters: int = 0
    jobs: int = 0
    departures: list[Departure] = field(default_factory=list)
    suppressions: list[Listed] = field(default_factory=list)
    joined: int = 0


@dataclass
class Done:
    """What confirming did."""

    left: int = 0
    erased: int = 0
    suppressed: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    """By slot: the letters of which nobody knows whether they went out; each is left to a person."""
    cancelled: int = 0
    discarded: int = 0
    held: list[str] = field(default_factory=list)
    old_closed: str = ""
    """Empty if the old database sends nothing any more, or there is none; else why it could not be told."""


# ---- looking -------------------------------------------------------------------------------------------------


def look(old: str | None, now: datetime) -> Findings:
    """What confirming would do. Raises Refused without a guard, or if the old database cannot be asked."""
    with reading() as session:
        stands = _standing(session)
        found = Findings(stands.how, stands.copied_at, old is not None)
        found.digests = {each.slot: in_flight.undecided(session, each) for each in in_flight.in_flight(session)}
        found.letters, found.jobs = in_flight.count_single(session, stands), in_flight.count_jobs(session, stands)
        slots = [each.slot for each in in_flight.drafts(session) if each.state == "draft"] + _to_come(session, now)
    if old is None:
        found.held = sorted(slots)
        return found
    _check_old(old, now)
    with elsewhere(old), reading() as session:
        found.held = sorted(slot for slot in slots if digests.state_of(session, slot) in in_flight.GONE)
    _find_departures(old, found)
    return found


def _standing(session: Session) -> Guard:
    stands = guard.standing(session)
    if stands is None:
        raise Refused("This database is no copy that waits to be confirmed: there is nothing to do.")
    return stands


def _to_come(session: Session, now: datetime) -> list[str]:
    """Slots without a digest here that the next tick would open."""
    owed = rule_history.owed_by(session, now + settings().digest_lead, now)
    return [each.slot for each in owed if digests.by_slot(session, each.slot) is None]


def _check_old(old: str, now: datetime) -> None:
    if same_database(old):
        raise Refused("--old names this very database; name the one that it was copied from.")
    with reading() as session:
        own = departures.prints(session)
    with elsewhere(old):
        stands = schema.standing()
        if stands.answer != "this":
            raise Refused(f"The old database cannot be asked. {stands.told}")
        with reading() as session:
            theirs, running = departures.prints(session), heartbeats.running(session, now)
    if own and theirs and not own & theirs:
        raise Refused("--old names the database of another site: it has never used one of this site's keys.")
    if running:
        kinds = ", ".join(sorted({each.kind for each in running}))
        raise Refused(f"The old site still runs ({kinds}), and both would send. Stop it, then run this again.")


def _find_departures(old: str, found: Findings) -> None:
    after, last = 0, 0
    while True:
        with reading() as session:
            here = departures.readers(session, after)
            last = last or departures.last_number(session)
        if not here:
            break
        after = here[-1].id
        with elsewhere(old), reading() as session:
            there = departures.states(session, [each.id for each in here])
        found.departures += filter(None, (departures.departed(each, there.get(each.id)) for each in here))
    hashed = ""
    while True:
        with elsewhere(old), reading() as session:
            theirs = departures.suppressions(session, hashed)
            found.joined = found.joined or departures.joined_since(session, last)
        if not theirs:
            return
        hashed = theirs[-1].address_hash
        with reading() as session:
            found.suppressions += departures.beyond(session, theirs)


# ---- doing -----------------------------------------------------------------------------------------------------


def confirm(actor: Actor, found: Findings, old: str | None, now: datetime, note: str | None = None) -> Done:
    """Let this database send. Each step is done in pages, and the guard is lifted last: a kill amid it is harmless."""
    done = Done()
    if old:
        _recover(old, now)
    _let_go(actor, found, done, now)
    for slot in found.digests:
        _settle_digest(slot, old, done, now)
    with reading() as session:
        stands = _standing(session)
    done.cancelled = _settle_single(stands, old, now)
    done.discarded = _discard_jobs(stands, old, now)
    if old:
        done.old_closed = _close(old, now)
    with writing() as session:
        done.held = _hold(session, found, now)
        in_flight.end_claims(session)
        in_flight.cancel_alerts(session, now)
        guard.lift(session, now)
        audit.record(session, actor, "database.confirm", now, about=f"copy of {found.copied_at:%Y-%m-%d %H:%M} UTC",
                   count=1, after=asdict(done), note=note)  # fmt: skip
    return done


def _recover(old: str, now: datetime) -> None:
    """End the claims of the old site's senders there: nobody runs, so only what they had begun is in doubt. A database
    that cannot be written keeps them, and then all that is under a claim is in doubt."""
    with suppress(SQLAlchemyError), elsewhere(old), writing() as session:
        while recovery.recover(session, False, now + LAPSED):
            pass


def _let_go(actor: Actor, found: Findings, done: Done, now: datetime) -> None:
    for each in found.departures:
        if each.what == "erased":
            subscribers.erase(actor, each.subscriber, now, f"erased in {CHANNEL}")
            done.erased += 1
            continue
        with writing() as session:
            subscriptions.leave(session, each.subscriber, CHANNEL, now)
        done.left += 1
    for start in range(0, len(found.suppressions), departures.PAGE):
        with writing() as session:
            for listed in found.suppressions[start : start + departures.PAGE]:
                departures.suppress(session, listed)
                done.suppressed += 1


def _settle_digest(slot: str, old: str | None, done: Done, now: datetime) -> None:
    """Give each letter of a digest that was on its way the outcome that the old database knows; else it is unknown."""
    while _change(slot, lambda session, digest: digest.state == "frozen" and addressing.address(session, digest, now)):
        pass
    there: Digest | None = None
    if old:
        with elsewhere(old), reading() as session:
            there = digests.by_slot(session, slot)
    unknown = after = 0
    while True:
        with reading() as session:
            here = digests.get(session, slot)
            page = in_flight.of_digest(session, here.id, after)
        if not page:
            break
        after = page[-1][0]
        known = {}
        if old and there:
            with elsewhere(old), reading() as session:
                known = in_flight.outcomes_of_persons(session, there.id, [person for _, person in page])
        with writing() as session:
            unknown += in_flight.settle(session, {id_: known.get(who) for id_, who in page}, "unknown", now)
    if unknown:
        done.unknown[slot] = unknown
    _change(slot, lambda session, digest: _go_on(session, digest, there))


def _change(slot: str, change: Callable[[Session, Digest], object]) -> object:
    with writing() as session:
        return change(session, digests.get(session, slot, lock=True))


def _go_on(session: Session, digest: Digest, there: Digest | None) -> None:
    """Begin the digest where it was frozen only, and take over how it went on in the old database."""
    if digest.state == "frozen":
        digests.begin(session, digest)
    over = there is not None and there.state == "finished" and not deliveries.owing(session, digest.id)
    if there is not None and (over or there.state in ("paused", "cancelled")):
        digest.state, digest.finished_at = there.state, there.finished_at


def _settle_single(stands: Guard, old: str | None, now: datetime) -> int:
    """The same for letters such as confirm letters: what is not known is cancelled, since a reader may sign up again.
    Returns how many were."""
    cancelled = after = 0
    while True:
        with reading() as session:
            page = in_flight.single(session, stands, after)
        if not page:
            return cancelled
        after, known = page[-1], {}
        if old:
            with elsewhere(old), reading() as session:
                known = in_flight.outcomes_of_ids(session, page)
        with writing() as session:
            cancelled += in_flight.settle(session, {each: known.get(each) for each in page}, "cancelled", now)


def _discard_jobs(stands: Guard, old: str | None, now: datetime) -> int:
    """Discard the jobs that may have caused letters since, but those that the old database has not done. Returns how
    many."""
    discarded = after = 0
    while True:
        with reading() as session:
            page = in_flight.jobs_of_letters(session, stands, after)
        if not page:
            return discarded
        after, undone = page[-1], set[int]()
        if old:
            with elsewhere(old), reading() as session:
                undone = in_flight.undone_jobs(session, page)
        with writing() as session:
            in_flight.discard(session, [each for each in page if each not in undone], now)
        discarded += len(page) - len(undone)


def _hold(session: Session, found: Findings, now: datetime) -> list[str]:
    """Hold the drafts of slots that may have gone out, and open those that have none yet as held."""
    owed = {each.slot: each for each in rule_history.owed_by(session, now + settings().digest_lead, now)}
    for slot in found.held:
        digest = digests.by_slot(session, slot)
        if digest is not None:
            in_flight.hold(digest)
        elif slot in owed:
            opened = digests.open_slot(session, slot, owed[slot].due, now, in_flight.HELD)
            drafts.gather(session, opened, now)
    return found.held


def _close(old: str, now: datetime) -> str:
    """Put the guard up in the old database, so that it sends nothing if somebody starts its site again. Returns why it
    could not be done; empty if it was."""
    try:
        with elsewhere(old), writing() as session:
            if guard.standing(session) is None:
                guard.stand(session, "moved", now, *guard.last_ids(session))
    except (SQLAlchemyError, OSError) as error:
        return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return ""
