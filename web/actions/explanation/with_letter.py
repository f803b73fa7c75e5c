"""What became of the digest's letter to somebody, in one sentence."""

from web.actions.explanation import parts
from web.actions.explanation.case import Case, Newsletter, OneLetter, Stopped


def told(case: Case, digest: Newsletter, letter: OneLetter) -> str:
    """The sentence."""
    it, who = f"the newsletter of {digest.slot}", case.who
    if letter.state == "sent":
        return _sent(case, letter, it)
    if letter.state == "failed":
        return f"{who} did not get {it}: {_failed(letter)}{_stopped(case.stopped, 'hard')}."
    if letter.state == "skipped":
        return f"{who} did not get {it}, because {_skipped(case, letter)}."
    if letter.state == "cancelled":
        return f"{who} did not get {it}, because it was cancelled before their turn came{parts.quoted(digest.reason)}."
    if letter.state == "unknown":
        return (
            f"Whether {who} got {it} is not known: the connection broke{parts.at(letter.at)} before the mail server had"
            " answered, and an operator has to decide about it."
        )
    return f"{who} has not got {it} yet: {_waits(digest, letter)}."


def _sent(case: Case, letter: OneLetter, it: str) -> str:
    who, stopped = case.who, case.stopped
    if letter.back is None:
        by_hand = letter.reason == "resolved as sent"
        took = "an operator has counted it as sent" if by_hand else "the mail server took it"
        return f"{who} got {it}: {took}{parts.at(letter.at)}{parts.and_stopped_because(stopped)}."
    rest = _stopped(stopped, letter.back)
    if letter.back == "complaint":
        return f"{who} got {it}, and called it spam{parts.on(letter.back_at)}{rest}."
    several = stopped is not None and stopped.in_a_row >= parts.SEVERAL and letter.back in ("soft", "suspended")
    why = parts.why_stopped(stopped) if stopped and several else _BACK[letter.back]
    return f"{who} did not get {it}: it came back{parts.on(letter.back_at)}, because {why}{rest}."


def _stopped(stopped: Stopped | None, back: str) -> str:
    """That mail is stopped, with the reason where what came back does not tell it."""
    if stopped is None or stopped.reason in _TELLS.get(back, ()):
        return parts.and_stopped(stopped)
    return parts.and_stopped_because(stopped)


_TELLS = {
    "hard": ("hard bounce",),
    "suspended": ("hard bounce", "repeated soft bounce"),
    "soft": ("hard bounce", "repeated soft bounce"),
    "complaint": ("complaint",),
}
"""What came back, and the reasons for which it may have stopped mail."""


_BACK = {
    "hard": "the address does not exist",
    "suspended": "the mailbox is switched off",
    "soft": "the mailbox did not take it",
    "content": "the mail server there blames us for what we sent, or how",
}


def _failed(letter: OneLetter) -> str:
    said = parts.said(letter.reply) if letter.reply else ""
    if (letter.reason or "").startswith("given up"):
        return f"it was given up{parts.on(letter.at)}" + (f", since the mail server said {said}" if said else "")
    return f"the mail server refused it{parts.on(letter.at)}" + (f" and said {said}" if said else "")


def _skipped(case: Case, letter: OneLetter) -> str:
    if letter.reason == "suppressed":
        if case.stopped is None:
            return "mail to this address was stopped then; it is not any more"
        return f"{parts.why_stopped(case.stopped)}; mail to it is stopped{parts.since(case.stopped)}"
    if letter.reason == "unsubscribed":
        return f"its reader had unsubscribed{parts.on(case.left_at)}"
    if letter.reason == "paused":
        until = f" until {parts.day(case.paused_until)}" if case.paused_until else ""
        return f"its reader had paused it{until}"
    if letter.reason == "pending":
        return "the subscription was not confirmed then"
    return f"it was left out ({letter.reason or 'no reason is kept'})"


def _waits(digest: Newsletter, letter: OneLetter) -> str:
    if letter.state == "sending":
        return "it is being sent just now"
    if digest.state == "paused":
        return f"the newsletter is paused{parts.quoted(digest.reason)}"
    if letter.state == "deferred":
        said = f", and said {parts.said(letter.reply)}" if letter.reply else ""
        return f"the mail server wants it later{said}; the next try is{parts.at(letter.next_try)}"
    return "it waits for its turn"
