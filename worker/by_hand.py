"""What somebody who sends a digest by hand should know first: that it is early, or that nothing runs to send it.

The clock's own runs, late ones too, are never asked.
"""

from datetime import datetime, timedelta

from sqlalchemy import select

from db.digests import rule_history
from db.digests.digests import Digest
from db.monitoring import heartbeats
from db.session import Session

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


def sent_by(session: Session, now: datetime) -> str:
    """Who sends what was frozen just now: the workers, unless a process that sending needs is not running."""
    running = {each.kind for each in heartbeats.running(session, now)}
    missing = [kind for kind in ("worker", "sender") if kind not in running]
    if not missing:
        return "the workers send it"
    what = "nothing" if len(missing) == 2 else f"no {missing[0]}"
    return f"{what} is running to send it. Start the site (verdicts up, or the Procfile's lines), and it goes out"
