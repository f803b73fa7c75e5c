"""Turns a transport's outcome into a delivery's next state: sent, failed, deferred, given up, or unknown."""

import random
from datetime import datetime
from functools import partial

from db import rules
from db.deliveries.claims import ClaimedLetter
from db.deliveries.settlements import Settlement
from db.settings import settings
from emails.transports import Outcome


def settlement(letter: ClaimedLetter, outcome: Outcome, now: datetime) -> Settlement:
    """The settlement that an outcome leads to."""
    if outcome.kind == "sent":
        return Settlement(letter.id, "sent", None, outcome.code, outcome.reply)
    told = partial(Settlement, letter.id, code=outcome.code, reply=outcome.reply)
    if outcome.kind == "refused":
        return told("failed", f"refused at {outcome.stage}")
    rule = rules.LETTERS[letter.letter]
    again = rule.doubt == "resend" or (letter.letter == "digest" and settings().on_unknown == "resend")
    if outcome.kind == "unknown" and not again:
        return told("unknown", f"no reply after {outcome.stage}")
    reason = "sent again after doubt" if outcome.kind == "unknown" else f"deferred at {outcome.stage}"
    return deferred(letter, reason, now, code=outcome.code, reply=outcome.reply)


def deferred(letter: ClaimedLetter, reason: str, now: datetime, code: int | None, reply: str) -> Settlement:
    """Retry after a back-off, or give up when the retry would come too late."""
    next_try = now + rules.defer_backoff(letter.tries + 1, random.random())
    if next_try > letter.old_from + rules.LETTERS[letter.letter].given_up_after:
        return Settlement(letter.id, "failed", f"given up, {reason}", code, reply)
    return Settlement(letter.id, "deferred", reason, code, reply, next_try)
