"""Turns a transport's outcome into a delivery's next state: sent, failed, deferred, given up, or unknown."""

import random
from datetime import datetime, timedelta
from functools import partial

from db import rules
from db.deliveries import reasons
from db.deliveries.claiming.admission import ClaimedLetter
from db.deliveries.claiming.settlements import Settlement
from db.deliveries.limits.breakers import Wait
from db.settings import settings
from emails.replies.waits import named_wait, speaks_of_a_day
from emails.transports import Outcome


def settlement(letter: ClaimedLetter, outcome: Outcome, now: datetime, tried: bytes | None) -> Settlement:
    """The settlement that an outcome leads to; `tried` is the fingerprint of the message."""
    if outcome.kind == "sent":
        return Settlement(letter.id, "sent", None, outcome.code, outcome.reply, fingerprint=tried)
    return _not_sent(letter, outcome, now)._replace(fingerprint=tried)


def _not_sent(letter: ClaimedLetter, outcome: Outcome, now: datetime) -> Settlement:
    told = partial(Settlement, letter.id, code=outcome.code, reply=outcome.reply)
    if outcome.kind == "refused":
        return told("failed", f"refused at {outcome.stage}", hard=outcome.whose == "address")
    rule = rules.LETTERS[letter.letter]
    again = rule.doubt == "resend" or (letter.letter == "digest" and settings().on_unknown == "resend")
    if outcome.kind == "unknown" and not again:
        return told("unknown", f"no reply after {outcome.stage}")
    reason = reasons.AGAIN_AFTER_DOUBT if outcome.kind == "unknown" else f"deferred at {outcome.stage}"
    return deferred(letter, reason, now, code=outcome.code, reply=outcome.reply)


def put_off(letter: ClaimedLetter, outcome: Outcome, time: int, now: datetime, tried: bytes | None) -> Settlement:
    """A refusal that is not the recipient's fault, while others are taken: it uses up no try, and the letter ages.

    `time` says how often this letter has met one.
    """
    wait = rules.day_backoff if speaks_of_a_day(outcome.reply) else rules.put_off_backoff
    settled = _again(letter, f"put off at {outcome.stage}", now, wait(time, random.random()))
    return settled._replace(code=outcome.code, reply=outcome.reply, tried=0, fingerprint=tried)


def deferred(letter: ClaimedLetter, reason: str, now: datetime, code: int | None, reply: str) -> Settlement:
    """Retry after a back-off, or after the wait that the reply names, or give up when the retry would come too late."""
    named = named_wait(reply) if code is not None else None
    attempt, jitter = letter.tries + 1, random.random()
    wait = rules.named_backoff(named, attempt, jitter) if named else rules.defer_backoff(attempt, jitter)
    return _again(letter, reason, now, wait)._replace(code=code, reply=reply)


def relay_backoff(reply: str) -> Wait:
    """The mail server's back-off: hours where its reply speaks of a day, and never less than the wait that it names."""
    if speaks_of_a_day(reply):
        return rules.day_backoff
    named = min(named_wait(reply) or timedelta(0), timedelta(hours=4))
    return lambda failures, jitter: max(named, rules.breaker_backoff(failures, jitter))


def _again(letter: ClaimedLetter, reason: str, now: datetime, wait: timedelta) -> Settlement:
    if now + wait > letter.old_from + rules.LETTERS[letter.letter].given_up_after:
        return Settlement(letter.id, "failed", reasons.given_up(reason))
    return Settlement(letter.id, "deferred", reason, not_before=now + wait)
