"""What people do with a digest by hand, assemble it or send it, and what they should know before they send it.

That is that it is early, or that nothing runs to send it. The clock's own runs, late ones too, are never asked.
"""

from datetime import datetime, timedelta

from sqlalchemy import select

from db import guard
from db.digests import archive, digests, rule_history
from db.digests.digests import Digest
from db.digests.owed_slots import NOT_OWED
from db.monitoring import heartbeats
from db.rules import Refused
from db.session import Session
from db.settings import settings
from db.subscribers import subscribers
from worker.digests import drafts, freezing

GONE = ("frozen", "sending", "paused", "finished", "cancelled")
"""The states of a digest that has been released, however it ended."""

APART = timedelta(days=5)
"""A weekly letter, sent some days late, may be this close to the next one; closer, it is most likely a mistake."""


def why_early(session: Session, slot: str, now: datetime) -> str:
    """Why sending that slot now needs a reason; empty if it needs none."""
    if slot > rule_history.standing(session).slot_of(now):
        return f"The week of {slot} has not begun."
    query = select(Digest.slot, Digest.frozen_at).where(Digest.frozen_at.is_not(None), Digest.slot != slot)
    last = session.execute(query.order_by(Digest.frozen_at.desc()).limit(1)).first()
    if last is None or now - last.frozen_at >= APART:
        return ""
    return f"{last.slot} went out on {last.frozen_at:%Y-%m-%d at %H:%M} UTC, less than five days ago."


def why_early_release(session: Session, digest: Digest, now: datetime) -> str:
    """Why releasing a held digest needs a reason: past its hour, it goes out at once. Empty if it needs none."""
    return why_early(session, digest.slot, now) if digest.state == "held" and digest.due_at <= now else ""


def nobody_sends(session: Session, now: datetime) -> str:
    """Which process that sending needs is not running, and what to do; empty if the workers send."""
    running = {each.kind for each in heartbeats.running(session, now)}
    missing = [kind for kind in ("worker", "sender") if kind not in running]
    if not missing:
        return ""
    what = "nothing" if len(missing) == 2 else f"no {missing[0]}"
    return f"{what} is running to send it. Start the site (verdicts up, or the Procfile's lines), and it goes out"


# ---- assembling and sending ----------------------------------------------------------------------------------------


def assemble(session: Session, slot: str, now: datetime) -> Digest:
    """Open the slot's draft and gather its content, or gather it again. Raises Refused once the digest is frozen."""
    guard.refuse(session)
    digest = _opened(session, slot, now)
    if digest.state not in ("draft", "held"):
        raise Refused(f"Digest {slot} is {digest.state}: what it says is frozen.")
    drafts.gather(session, digest, now)
    return digest


def send(session: Session, slot: str, now: datetime, late: bool = False) -> Digest:
    """Freeze the slot's digest now, even before it is due, and hand it to the workers. Idempotent once it is frozen.

    Refused while it is held, and (unless `late`) when it was due longer ago than DIGEST_LATENESS.
    """
    guard.refuse(session)
    digest = _opened(session, slot, now)
    if digest.state not in GONE:
        _check_may_go(session, digest, now, late)
        freezing.freeze(session, digest, now)
    return digest


def _opened(session: Session, slot: str, now: datetime) -> Digest:
    """The slot's digest: created if there is none, reopened if it was skipped or has expired.

    The next tick would send a draft whose hour is past; soon after the last digest, it is held instead.
    """
    digest = digests.open_slot(session, slot, rule_history.due_near(session, slot, now), now)
    if digest.state in ("skipped", "expired"):
        digest.state, digest.reason, digest.finished_at = "draft", None, None
        if digest.due_at <= now and why_early(session, slot, now):
            digest.state, digest.reason = "held", NOT_OWED
    return digest


def _check_may_go(session: Session, digest: Digest, now: datetime, late: bool) -> None:
    if digest.state == "held" and digest.reason != NOT_OWED:
        raise Refused(f"Digest {digest.slot} is held; release it first: verdicts digest release {digest.slot}")
    if not late and now > digest.due_at + settings().digest_lateness:
        raise Refused(
            f"Digest {digest.slot} was due on {digest.due_at:%Y-%m-%d}, longer ago than DIGEST_LATENESS allows. To "
            f"send it all the same: verdicts digest send {digest.slot} --late"
        )
    found = archive.passed_over(session, now)
    if len(found) > archive.MANY:
        raise Refused(
            f"{len(found)} {archive.LISTED}. Open the draft with verdicts digest assemble {digest.slot} to see them; "
            f"then archive them, or release it: verdicts digest release {digest.slot}"
        )


def would_reach(session: Session, slot: str, now: datetime, late: bool = False) -> int:
    """The audience's size if it were frozen now. Raises Refused where `send` would refuse or skip the slot."""
    guard.refuse(session)
    due = rule_history.due_near(session, slot, now)
    digest = digests.by_slot(session, slot) or Digest(slot=slot, due_at=due, state="draft")
    _check_may_go(session, digest, now, late)
    if not archive.new(session, now):
        raise Refused(f"Nothing is new for {slot}: import a comparison first.")
    return subscribers.active(session)
