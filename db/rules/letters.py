"""Letters: who may get one, what happens when its arrival is in doubt, and when it is given up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, NamedTuple

Doubt = Literal["hold", "resend"]


class Person(NamedTuple):
    """One recipient's consent and state, as read at one moment."""

    address: str | None
    state: str
    paused_until: datetime | None = None
    suppressed: bool = False
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class LetterRule:
    """Who may get a letter, what happens to an unknown outcome, and when it expires."""

    who: Literal["active", "pending", "not erased", "anybody"]
    doubt: Doubt
    given_up_after: timedelta


LETTERS: Mapping[str, LetterRule] = MappingProxyType(
    {
        "digest": LetterRule("active", "hold", timedelta(hours=48)),
        "confirm": LetterRule("pending", "resend", timedelta(hours=24)),
        "reminder": LetterRule("pending", "resend", timedelta(hours=24)),
        "welcome": LetterRule("active", "resend", timedelta(hours=24)),
        "test": LetterRule("anybody", "resend", timedelta(hours=6)),
        "alert": LetterRule("anybody", "resend", timedelta(hours=6)),
    }
)


def why_not(letter: str, person: Person | None, now: datetime) -> str | None:
    """The reason why this person may not get this letter now; None if they may."""
    who = LETTERS[letter].who
    if person is None or person.address is None:
        return "nobody there any more" if who == "anybody" else "erased"
    if who == "anybody":
        return "suppressed" if letter == "test" and person.suppressed else None
    if who in ("active", "pending") and person.state != who:
        return person.state if person.state != "active" else "already confirmed"
    if person.suppressed:
        return "suppressed"
    if letter == "digest" and person.paused_until and person.paused_until > now:
        return "paused"
    return None
