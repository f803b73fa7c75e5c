"""The one sentence that answers “why did I not get it?”, from plain values."""

from datetime import datetime

from db import rules
from web.actions.explanation import parts, with_letter
from web.actions.explanation.case import Case, Newsletter


def sentence(case: Case) -> str:
    """What happened, and why."""
    if case.state is None:
        return _stranger(case)
    if case.state == "erased":
        erased = f"{case.who} was erased{parts.on(case.left_at)}"
        return f"{erased}: of the address only a keyed hash is kept, and nothing is sent to it."
    if case.digest is None:
        return _before_the_first(case)
    if case.letter is not None:
        return with_letter.told(case, case.digest, case.letter)
    return _without_letter(case, case.digest)


# ---- nobody who reads it -------------------------------------------------------------------------------------


def _stranger(case: Case) -> str:
    if case.stopped and case.stopped.reason == "erased":
        erased = f"Whoever had the address {case.who} was erased{parts.on(case.stopped.since)}"
        return (
            f"{erased}: only a keyed hash of it is kept, so nothing is sent to it, and which letters it got is not"
            " known any more."
        )
    never = f"{case.who} has never been a subscriber here"
    if case.tests:
        never += f"; it got {case.tests} test {'letter' if case.tests == 1 else 'letters'} and no newsletter"
    if case.stopped and case.stopped.reason == "by hand":
        return f"{never}, and {parts.why_and_stopped(case.stopped)}."
    if case.stopped:
        stopped = f"mail to it has been stopped{parts.since(case.stopped)}"
        return f"{never}, and {stopped}, because {parts.why_stopped(case.stopped)}."
    return f"{never}." if case.tests else f"{never}, so no newsletter was sent to it."


def _before_the_first(case: Case) -> str:
    none = f"{case.who} has got no newsletter yet, because none has gone out"
    if why := _why_none(case):
        return f"{none}; they will not get the next one either, because {why}."
    return f"{none}."


# ---- without one ---------------------------------------------------------------------------------------------


def _without_letter(case: Case, digest: Newsletter) -> str:
    it, who = f"the newsletter of {digest.slot}", case.who
    if digest.frozen_at is None:
        return _not_gone_out(case, digest, it)
    if case.confirmed_at is not None and case.confirmed_at > digest.frozen_at:
        came = f"its reader subscribed{parts.on(case.confirmed_at)}, after it was put together{_frozen(digest)}"
        return f"{who} did not get {it}, because {came}."
    if digest.removed:
        return f"Whether {who} got {it} is not known any more: letters are kept for {_KEPT}."
    if why := _why_none(case, digest.frozen_at):
        return f"{who} did not get {it}, because {why}."
    if digest.state == "cancelled":
        return f"{who} did not get {it}, because it was cancelled{parts.quoted(digest.reason)}."
    if digest.state == "frozen":
        return f"{who} has not got {it} yet: it is being addressed."
    return f"{who} did not get {it}: they were not among its readers when it was put together{_frozen(digest)}."


def _frozen(digest: Newsletter) -> str:
    return parts.on(digest.frozen_at)


_KEPT = rules.RETENTION["deliveries"].until
_ENDED = {"skipped": "it was skipped", "expired": "it was not sent in time", "cancelled": "it was cancelled"}


def _not_gone_out(case: Case, digest: Newsletter, it: str) -> str:
    if digest.state in _ENDED:
        return f"{case.who} did not get {it}, because nobody did: {_ENDED[digest.state]}{parts.quoted(digest.reason)}."
    if why := _why_none(case):
        return f"{case.who} will not get {it}, because {why}."
    held = ", but it is held until somebody releases it" if digest.state == "held" else ""
    due = "is due" if digest.due_at > case.now else "was due"
    return f"{case.who} has not got {it} yet: it {due}{parts.at(digest.due_at)}{held or _late(digest, case.now)}."


def _late(digest: Newsletter, now: datetime) -> str:
    return "" if digest.due_at > now else ", and has not gone out"


def _why_none(case: Case, frozen_at: datetime | None = None) -> str:
    """Why somebody gets no newsletter, or got none that was frozen then; empty if nothing speaks against it."""
    if case.state == "pending":
        return f"the sign-up{parts.of(case.asked_at)} has not been confirmed{_confirmation(case)}"
    if case.state == "unsubscribed":
        return f"its reader unsubscribed{parts.on(case.left_at)}{parts.and_stopped_because(case.stopped)}"
    if case.stopped:
        return parts.why_and_stopped(case.stopped)
    if case.paused_until and not frozen_at:
        return f"its reader has paused it until {parts.day(case.paused_until)}"
    return ""


def _confirmation(case: Case) -> str:
    """What became of the confirmation email, and that mail is stopped, with the reason where that does not tell it."""
    email, stopped = case.confirmation, case.stopped
    is_told = email is not None and stopped is not None and (email.back, stopped.reason) == ("hard", "hard bounce")
    return parts.confirmation(email) + (parts.and_stopped if is_told else parts.and_stopped_because)(stopped)
