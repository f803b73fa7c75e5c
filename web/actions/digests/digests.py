"""Actions on a digest, each carried out and audited in one transaction."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from db.deliveries import accounts, addressing
from db.deliveries.limits import stops
from db.digests import archive, digests, rule_history
from db.digests.digests import Digest
from db.masking import masked_in
from db.operators import audit
from db.operators.audit import Actor
from db.rules import Refused
from db.session import Session, reading, writing
from worker.digests import by_hand
from worker.processes import agreement
from worker.sending import transport_kinds

OPENING = ("hold", "skip")
"""Actions that are allowed before the slot's draft has been created by the clock."""


def move(actor: Actor, slot: str, action: str, now: datetime, *, reason: str | None = None,
         note: str | None = None, early: str | None = None) -> Digest:  # fmt: skip
    """Hold, release, skip, pause or resume a digest. Raises Refused when its state does not allow it.

    `reason` is stored on the digest, and in the audit log if there is no note. An action without effect is not audited.
    `early` is the reason for a release that sends at once, soon after the last digest.
    """
    with writing() as session:
        return _moved(session, actor, slot, action, now, reason, note, early)


def _moved(
    session: Session, actor: Actor, slot: str, action: str, now: datetime, reason: str | None, note: str | None,
    early: str | None = None, **more: Any,
) -> Digest:  # fmt: skip
    reason = masked_in(reason) if reason else reason
    if action in OPENING:
        check_slot(session, slot, now)
        digests.open_slot(session, slot, rule_history.due(session, slot), now)
    found = digests.get(session, slot, lock=True)
    before, began, was_listed = found.state, found.transport, archive.holds(found)
    why = by_hand.why_early_release(session, found, now) if action == "release" else ""
    check_early(slot, why, early, "release")
    if action == "resume":
        transport_kinds.go_on(session, found, reason, now)
        stops.go_on(session, found, reason, now)
    elif action == "cancel":
        stops.give_up(session, found.id, reason, now)
    found = digests.move(session, slot, action, now, reason)
    if action == "release" and was_listed:
        archive.release(session)
    if found.state != before or found.transport != began:
        changed: dict[str, tuple[Any, Any]] = {"early": (None, early)} if why else {}
        changed |= {"transport": (began, found.transport)} if began != found.transport else {}
        _keep(session, actor, found, action, now, before, note or reason or (early if why else None), changed, **more)
    return found


def cancel(actor: Actor, slot: str, now: datetime, *, reason: str | None = None, note: str | None = None) -> int:
    """Cancel a digest. Returns the number of letters cancelled. Letters under a sender's claim at this moment may be
    given back later; the weekly run (worker/digests/weekly_run.py) cancels those."""
    with writing() as session:
        waiting = to_cancel(session, slot)
        found = _moved(session, actor, slot, "cancel", now, reason, note, count=waiting)
    while True:  # in pages, so that SQLite's write lock is free in between
        with writing() as session:
            if not addressing.cancel(session, found.id, now):
                return waiting


def send(
    actor: Actor, slot: str, now: datetime, *, late: bool = False, early: str | None = None, note: str | None = None
) -> tuple[Digest, bool]:
    """Freeze a digest now and hand it to the workers. Returns it, and True if it was released before (no change).

    `late` and `early` (a reason) let it go when the calendar is against it; without them it is Refused.
    """
    with writing() as session:
        known = digests.state_of(session, slot)
        if known in by_hand.GONE:
            return digests.get(session, slot), True
        # The row is locked: of two who send at the same moment, the second waits here and finds it gone.
        opened = digests.open_slot(session, slot, rule_history.due_near(session, slot, now), now)
        if opened.state in by_hand.GONE:
            return opened, True
        agreement.check(session, now)
        why = by_hand.why_early(session, slot, now)
        check_early(slot, why, early)
        found = by_hand.send(session, slot, now, late)
        changed = {"early": (None, early)} if why else {}
        _keep(session, actor, found, "send", now, known, note or (early if why else None), changed,
              count=found.audience or 0)  # fmt: skip
        return found, False


def check_early(slot: str, why: str, early: str | None, action: str = "send") -> None:
    """Raise Refused for a digest that is early (`why` says how), while nobody has given a reason to send it."""
    if why and not (early or "").strip():
        raise Refused(f"{why} To send it all the same, say why: verdicts digest {action} {slot} --early REASON")


def check_slot(session: Session, slot: str, now: datetime) -> None:
    """Raise Refused for a slot that is far away and not open: nobody means it."""
    if digests.state_of(session, slot) is None:
        rule_history.due_near(session, slot, now)


def assemble(actor: Actor, slot: str, now: datetime, *, note: str | None = None) -> Digest:
    """Create the slot's draft and gather its content, or gather it again for an existing draft."""
    with writing() as session:
        before = digests.by_slot(session, slot)
        state = before.state if before else None
        found = by_hand.assemble(session, slot, now)
        _keep(session, actor, found, "assemble", now, state, note)
        return found


def _keep(
    session: Session, actor: Actor, found: Digest, action: str, now: datetime, before: str | None, note: str | None,
    changed: Mapping[str, tuple[Any, Any]] = MappingProxyType({}), **more: Any,
) -> None:  # fmt: skip
    """Write it into the audit log; `changed` has what else changed, as values before and after."""
    after: dict[str, Any] = {"state": found.state} | ({"reason": found.reason} if found.reason else {})
    earlier: dict[str, Any] = {"state": before} if before else {}
    after |= {name: new for name, (_, new) in changed.items()}
    earlier |= {name: old for name, (old, _) in changed.items() if old is not None}
    audit.record(session, actor, f"digest.{action}", now, about=f"digest {found.slot}", note=note, after=after,
               before=earlier or None, **more)  # fmt: skip


# ---- counts for confirm pages -----------------------------------------------------------------------------------


def to_cancel(session: Session, slot: str) -> int:
    """How many waiting letters a cancellation would cancel. Raises Refused when the digest cannot be cancelled."""
    found = digests.get(session, slot)
    before, _ = digests.MOVES["cancel"]
    if found.state not in before:
        raise Refused(f"Digest {slot} is {found.state}; cancel works while it is {' or '.join(before)}.")
    states = accounts.progress(session, found).states
    return states["pending"] + states["deferred"]


def to_send(slot: str, now: datetime, late: bool = False) -> int:
    """The audience's size if the digest were frozen now. Raises Refused when it could not be sent."""
    with reading() as session:
        agreement.check(session, now)
        return by_hand.would_reach(session, slot, now, late)
