"""What operators are told about letters that came back: those that are our own fault, and too many complaints."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from db import rules
from db.deliveries import accounts
from db.digests import digests
from db.feedback import feedback
from db.monitoring.alerts import Condition
from db.session import Session
from worker.alerts.quotes import quoted

LATELY = timedelta(days=1)
COMPLAINED = timedelta(days=7)
"""Reports of spam come for some days. Afterwards nothing can be done about this digest any more."""


def letters_blamed(session: Session, now: datetime) -> Iterator[Condition]:
    """Letters that came back within a day for what we sent or how. They count against no address."""
    found = feedback.blames(session, now - LATELY)
    slots = digests.slots_of(session, [each.digest_id for each in found if each.digest_id is not None])
    for each in found:
        slot = slots.get(each.digest_id or 0)
        of_what = f" of {slot}" if slot else ""
        yield Condition(
            f"blamed:{slot or 'letters'}", "blamed",
            f"{each.letters:,} {'letter' if each.letters == 1 else 'letters'}{of_what} came back, and we are blamed",
            (f"Most often they say: {quoted(each.words)}" if each.words else "They give no reason.",
             "It is about what was sent, or how we are known; nothing counts against the addresses.",
             "Look at SPF, DKIM, DMARC and the lists of blocked senders: verdicts doctor"),
            f"/operator/digests/{slot}" if slot else "/operator",
        )  # fmt: skip


def complaints_after_the_end(session: Session, now: datetime) -> Iterator[Condition]:
    """Digests that have ended, and of which so many readers complain that they would have been stopped."""
    for digest in digests.listed(session, ("finished",), limit=2):
        if digest.finished_at is None or digest.finished_at < now - COMPLAINED:
            continue
        complaints = feedback.complaints(session, digest.id)
        if complaints < rules.COMPLAINTS_AT_LEAST:
            continue
        sent = accounts.progress(session, digest).states["sent"]
        if rules.complaints_stop(sent, complaints, {}):
            yield Condition(
                f"complaints:{digest.slot}", "complaints", f"{complaints:,} readers call digest {digest.slot} spam",
                (f"It was sent to {sent:,}. Providers reject mail for everybody from one complaint in a thousand on.",
                 "Whoever complained is suppressed. Look at where these readers came from."),
                f"/operator/digests/{digest.slot}",
            )  # fmt: skip
