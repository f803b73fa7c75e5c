"""What became of the digest's letter to somebody, in one sentence."""

from db.deliveries import reasons
from db.deliveries.limits import stops
from web.actions.explanation import parts
from web.actions.explanation.case import Case, Newsletter, OneLetter, Stopped


def told(case: Case, digest: Newsletter, letter: OneLetter) -> str:
    """The sentence."""
    it, who = f"the newsletter of {digest.slot}", case.who
    if letter.state == "sent" or (letter.back is not None and letter.state in _OPEN):  # what comes back was sent
        return _sent(case, letter, it)
    if letter.state == "failed":
        return f"{who} did not get {it}: {_failed(letter)}{_stopped(case, 'hard', letter)}."
    if letter.state == "skipped":
        return f"{who} did not get {it}, because {_skipped(case, letter)}."
    if letter.state == "cancelled":
        why = parts.quoted(digest.reason)
        return f"{who} did not get {it}, because it was cancelled before it was sent to them{why}."
    if letter.state == "unknown":
        return (
            f"Whether {who} got {it} is not known: the connection broke{parts.at(letter.at)} before the mail server had"
            " answered, and an operator has to decide about it."
        )
    return f"{who} has not got {it} yet: {_waits(case, digest, letter)}."


_OPEN = ("pending", "sending", "deferred", "unknown")


def _sent(case: Case, letter: OneLetter, it: str) -> str:
    who, stopped = case.who, case.stopped
    if letter.back is None:
        by_hand = letter.reason == "resolved as sent"
        took = "an operator has counted it as sent" if by_hand else "the mail server took it"
        return f"{who} got {it}: {took}{parts.at(letter.at)}{parts.and_stopped_because(stopped)}."
    rest = _stopped(case, letter.back, letter)
    if letter.back == "complaint":
        return f"{who} got {it}, and called it spam{parts.on(letter.back_at)}{rest}."
    several = stopped is not None and stopped.in_a_row >= parts.SEVERAL and letter.back in ("soft", "suspended")
    why = parts.why_stopped(stopped) if stopped and several else parts.BACK[letter.back]
    return f"{who} did not get {it}: it came back{parts.on(letter.back_at)}, because {why}{rest}."


def _stopped(case: Case, back: str, letter: OneLetter) -> str:
    """That mail is stopped, with the reason where what came back does not tell it; or that it was, and no more is."""
    stopped, lifted = case.stopped, case.lifted
    if stopped is None:
        came = letter.back_at or letter.at
        is_about_it = lifted is not None and lifted.reason in _TELLS.get(back, ()) and (not came or lifted.at >= came)
        return f"; mail to it was stopped, and {parts.allowed_again(lifted)}" if lifted and is_about_it else ""
    return parts.and_stopped(stopped) if stopped.reason in _TELLS.get(back, ()) else parts.and_stopped_because(stopped)


_TELLS = {
    "hard": ("hard bounce",),
    "suspended": ("hard bounce", "repeated soft bounce"),
    "soft": ("hard bounce", "repeated soft bounce"),
    "complaint": ("complaint",),
}
"""What came back, and the reasons for which it may have stopped mail."""


def _failed(letter: OneLetter) -> str:
    said = parts.said(letter.reply) if letter.reply else ""
    reason = letter.reason or ""
    if not reason.startswith(reasons.GIVEN_UP):
        return f"the mail server refused it{parts.on(letter.at)}" + (f" and said {said}" if said else "")
    over = f"it was given up{parts.on(letter.at)}"
    if reason.endswith(reasons.NOT_COMPOSED):
        return f"{over}, because it could not be put together" + (f": {said}" if said else "")
    return f"{over}, since the mail server said {said}" if said else f"{over}, because it had waited too long"


def _skipped(case: Case, letter: OneLetter) -> str:
    if letter.reason == "suppressed":
        if case.stopped is not None:
            return parts.why_and_stopped(case.stopped)
        lifted = case.lifted
        if lifted is None:
            return "mail to this address was stopped then; it is not any more"
        why = parts.why_stopped(Stopped(lifted.at, lifted.reason)) if lifted.reason else ""
        return f"mail to it was stopped then{parts.quoted(why)}, and {parts.allowed_again(lifted)}"
    if letter.reason == "unsubscribed":
        return f"its reader had unsubscribed{parts.on(case.left_at)}"
    if letter.reason == "paused":
        until = f" until {parts.day(case.paused_until)}" if case.paused_until else ""
        return f"its reader had paused it{until}"
    if letter.reason == "pending":
        return "the subscription was not confirmed then"
    return f"it was left out ({letter.reason or 'no reason is kept'})"


def _waits(case: Case, digest: Newsletter, letter: OneLetter) -> str:
    if letter.state == "sending":
        return "it is being sent just now"
    if digest.state == "paused":
        return f"the newsletter is paused{parts.quoted(digest.reason)}"
    if letter.state == "deferred" and letter.reason == stops.REASON:
        domain = case.who.rpartition("@")[2]
        return (
            f"all mail to {domain} is held, because most of the last letters there were refused as addresses that do"
            " not exist; it goes on when an operator releases the domain"
        )
    if letter.state == "deferred":
        return f"{_deferred(letter)}; the next try is{parts.at(letter.next_try)}"
    if letter.next_try and letter.next_try > case.now:
        return f"it is sent{parts.at(letter.next_try)}"
    return letter.waits or "it waits for its turn"


def _deferred(letter: OneLetter) -> str:
    reason, said = letter.reason or "", parts.said(letter.reply) if letter.reply else ""
    if reason == reasons.AGAIN_AFTER_DOUBT:
        return "the connection broke before the mail server had answered, so it is sent again"
    if reason == reasons.NOT_COMPOSED:
        return "it could not be put together" + (f" ({said})" if said else "")
    if reason == reasons.DOMAIN_DEFERS:
        return "the mail server of this domain takes no mail at the moment"
    return "the mail server wants it later" + (f", and said {said}" if said else "")
