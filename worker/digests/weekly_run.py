"""The weekly run: open a slot's draft, freeze it when due, create its deliveries, finish it; missed slots go late."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from db import moments
from db.deliveries import accounts, addressing, deliveries
from db.digests import digests, rule_history
from db.digests.owed_slots import OwedSlot
from db.session import reading, writing
from db.settings import settings
from worker.digests import drafts, freezing
from worker.feedback import handling
from worker.processes import clock_rules, ending

log = structlog.get_logger("digests")


def tick(*, opens: bool = True) -> None:
    """One tick, which each worker runs every 15 seconds; it is idempotent, so any number of them may.

    Without `opens` it goes on with what is frozen, and opens and freezes nothing.
    """
    now = moments.now()
    if opens and is_agreed(now):
        with _apart("open"):
            open_due_slots(now)
        freeze_due(now)
    address_frozen()
    with _apart("judge"):
        handling.judge_again()
    finish_sent()
    count_ended()


@contextmanager
def _apart(what: str, digest: str | None = None) -> Iterator[None]:
    """Log a digest that fails and retry it at the next tick; the other digests go on."""
    with structlog.contextvars.bound_contextvars(**({"digest": digest} if digest else {})):
        try:
            yield
        except Exception:
            log.exception("digest step failed", step=what)


# ---- opening and freezing --------------------------------------------------------------------------------------


def is_agreed(now: datetime) -> bool:
    """Record the rule of the live clocks. False while they disagree: what is due stays owed until they agree."""
    with _apart("rule"):
        try:
            with reading() as session:
                rule = clock_rules.agreed(session, now)
                recorded = rule_history.is_recorded(session, rule, now)
        except clock_rules.Disagreement as error:
            _warn_once(str(error))
            return False
        _warn_once(None)
        if not recorded:
            with writing() as session:
                rule_history.record(session, rule, now)
            with _apart("refresh"), writing() as session:
                drafts.refresh_drafts(session, now)
        return True
    return False


_warned: str | None = None
"""The disagreement that this process has logged last: a tick comes every few seconds."""


def _warn_once(told: str | None) -> None:
    global _warned
    if told and told != _warned:
        log.warning("clocks disagree about the schedule; nothing is opened or frozen", clocks=told)
    _warned = told


def open_due_slots(now: datetime) -> None:
    """Open the draft of each slot that is near or was missed; a slot that is too late is recorded as expired.

    A week that lies between two rules opens as held.
    """
    with reading() as session:
        if not _to_open(session, now):
            return
    with writing() as session:
        rule_history.lock(session)  # so that a change which another tick records meanwhile finds these drafts
        for each in _to_open(session, now):
            digest = digests.open_slot(session, each.slot, each.due, now, each.held)
            if digest.state in ("draft", "held"):
                drafts.gather(session, digest, now)


def _to_open(session: Session, now: datetime) -> list[OwedSlot]:
    owed = rule_history.owed_by(session, now + settings().digest_lead, now)
    return [each for each in owed if digests.by_slot(session, each.slot) is None]


def freeze_due(now: datetime) -> None:
    """Freeze each draft that is due; a held draft that was not released in time expires.

    One that is held because the schedule moved expires as soon as the next digest is due, which takes what it held.
    """
    with reading() as session:
        due = [each.slot for each in digests.listed(session, ("draft", "held")) if each.due_at <= now]
        latest = max((each.due_at for each in digests.listed(session) if each.due_at <= now), default=now)
    for slot in reversed(due):
        with _apart("freeze", slot), writing() as session:
            digest = digests.get(session, slot, lock=True)
            if now > digest.due_at + settings().digest_lateness and digest.state in ("draft", "held"):
                digests.end(digest, "expired", "not sent in time", now)
            elif rule_history.is_held_by_a_change(digest) and digest.due_at < latest:
                digests.end(digest, "expired", "not released before the next one was due", now)
            elif digest.state == "draft" and digest.due_at <= now and not drafts.hold_passed_over(session, digest, now):
                freezing.freeze(session, digest, now)


# ---- addressing and finishing ----------------------------------------------------------------------------------


def address_frozen() -> None:
    """Create each frozen digest's deliveries page by page, then let senders claim them. The cursor is stored with each
    page, so a kill between two pages is harmless."""
    with reading() as session:
        frozen = [each.slot for each in digests.listed(session, ("frozen",))]
    for slot in frozen:
        with _apart("address", slot):
            while not ending.asked() and _address_page(slot):
                pass


def _address_page(slot: str) -> bool:
    now = moments.now()
    with writing() as session:
        digest = digests.get(session, slot, lock=True)
        if digest.state != "frozen":
            return False
        if addressing.address(session, digest, now):
            return True
        # ANALYZE: claims were eight times slower while the planner still believed the table to be empty.
        session.execute(text("ANALYZE deliveries"))
        digests.begin(session, digest)
    return False


def finish_sent() -> None:
    """Finish digests without owed letters. Recovering a lapsed claim may give letters back to a digest that was
    cancelled meanwhile: cancel those too."""
    now = moments.now()
    with reading() as session:
        sending = [each.id for each in digests.listed(session, ("sending",)) if not deliveries.owing(session, each.id)]
        ended = digests.listed(session, ("cancelled",))
        stray = [each.id for each in ended if deliveries.waiting(session, each.id)]
    for digest_id in sending:
        with writing() as session:
            deliveries.finish(session, digest_id, now)
    for digest_id in stray:
        while not ending.asked() and _cancel_page(digest_id, now):
            pass


def _cancel_page(digest_id: int, now: datetime) -> int:
    with writing() as session:
        return addressing.cancel(session, digest_id, now)


def count_ended() -> None:
    """Store the final counts of digests that have ended, so that a million rows are not counted again.

    Waits while a letter is unknown: its sender may still report the outcome.
    """
    with reading() as session:
        ended = [each.slot for each in digests.uncounted(session) if not deliveries.owing(session, each.id)]
    for slot in ended:
        with _apart("count", slot), writing() as session:
            digest = digests.get(session, slot, lock=True)
            if digest.state in ("finished", "cancelled") and not deliveries.owing(session, digest.id):
                digest.outcomes = accounts.progress(session, digest).states
