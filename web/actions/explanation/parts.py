"""Clauses that several sentences share: days, a mail server's words, and why mail to an address is stopped."""

from datetime import UTC, datetime

from web.actions.explanation.case import Lifted, OneLetter, Stopped

SEVERAL = 2
"""From so many letters in a row on, the sentence tells their number."""
LONGEST = 160
"""Characters of a mail server's words that a sentence quotes."""


def why_stopped(stopped: Stopped) -> str:
    """The reason, to be put behind “because”."""
    if stopped.in_a_row >= SEVERAL and stopped.reason in ("hard bounce", "repeated soft bounce"):
        what = "letters" if stopped.reason == "hard bounce" else "newsletters"
        return f"the mailbox refused {number(stopped.in_a_row)} {what} in a row"
    return _STOPPED.get(stopped.reason, stopped.reason)


_STOPPED = {
    "by hand": "an operator stopped mail to it",
    "repeated soft bounce": "the mailbox refused the newsletter again and again",
    "hard bounce": "the address does not exist",
    "complaint": "its reader called a letter of ours spam",
    "erased": "its reader had everything erased",
}


BACK = {
    "hard": "the address does not exist",
    "suspended": "the mailbox is switched off",
    "soft": "the mailbox did not take it",
    "content": "the mail server there blames us for what we sent, or how",
}
"""Why a letter came back."""


def why_and_stopped(stopped: Stopped) -> str:
    """The reason and since when, to be put behind “because”."""
    why = why_stopped(stopped)
    return (
        f"{why}{on(stopped.since)}"
        if stopped.reason == "by hand"
        else f"{why}; mail to it has been stopped{since(stopped)}"
    )


def and_stopped(stopped: Stopped | None) -> str:
    """That mail is stopped, behind a sentence that says why."""
    return f"; mail to it has been stopped{since(stopped)}" if stopped else ""


def and_stopped_because(stopped: Stopped | None) -> str:
    """That mail is stopped, and why, behind a sentence that says something else."""
    if stopped and stopped.reason == "by hand":
        return f"; {why_and_stopped(stopped)}"
    return f"{and_stopped(stopped)}, because {why_stopped(stopped)}" if stopped else ""


def allowed_again(lifted: Lifted) -> str:
    """That an operator allowed it, and what they said about it."""
    return f"an operator allowed it again{on(lifted.at)}" + (f" (“{lifted.note}”)" if lifted.note else "")


def confirmation(letter: OneLetter | None) -> str:
    """What became of the confirmation email, behind a sentence that says that nobody has confirmed; empty if it is not
    why."""
    if letter is None or letter.back == "complaint":
        return ""
    if letter.back is not None:
        return f": the confirmation email came back{on(letter.back_at)}, because {BACK[letter.back]}"
    if letter.state == "failed":
        words = f" and said {said(letter.reply)}" if letter.reply else ""
        return f": the mail server refused the confirmation email{on(letter.at)}{words}"
    if letter.state == "skipped" and letter.reason == "suppressed":
        return ": no confirmation email was sent"
    return (
        ": the confirmation email has not been sent yet" if letter.state in ("pending", "deferred", "sending") else ""
    )


def since(stopped: Stopped) -> str:
    until = ", until an operator has decided whether that is so" if stopped.is_suspected else ""
    return f" since {day(stopped.since)}{until}"


def number(count: int) -> str:
    return {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}.get(count, str(count))


def said(reply: str) -> str:
    words = " ".join(reply.split())
    return f"“{words}”" if len(words) <= LONGEST else f"“{words[:LONGEST].rstrip()}…”"


def quoted(words: str | None) -> str:
    return f" ({words})" if words else ""


def day(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y}"


def on(moment: datetime | None) -> str:
    return f" on {day(moment)}" if moment else ""


def of(moment: datetime | None) -> str:
    return f" of {day(moment)}" if moment else ""


def at(moment: datetime | None) -> str:
    return f" on {day(moment)} at {moment.astimezone(UTC):%H:%M} UTC" if moment else ""
