"""Clauses that several sentences share: days, a mail server's words, and why mail to an address is stopped."""

from datetime import UTC, datetime

from web.actions.explanation.case import Stopped

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


def and_stopped(stopped: Stopped | None) -> str:
    """That mail is stopped, behind a sentence that says why."""
    return f"; mail to it is stopped{since(stopped)}" if stopped else ""


def and_stopped_because(stopped: Stopped | None) -> str:
    """That mail is stopped, and why, behind a sentence that says something else."""
    return f"{and_stopped(stopped)}, because {why_stopped(stopped)}" if stopped else ""


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
