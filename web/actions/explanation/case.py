"""What the answer to “why did I not get it?” is made of, as plain values."""

from dataclasses import dataclass
from datetime import datetime

from db.rules import Returned


@dataclass(frozen=True, slots=True)
class Stopped:
    """Mail to the address is stopped: since when, for which reason, and after how many letters in a row."""

    since: datetime
    reason: str
    is_suspected: bool = False
    in_a_row: int = 0


@dataclass(frozen=True, slots=True)
class Lifted:
    """Mail to the address was stopped for this reason, and somebody allowed it again."""

    at: datetime
    reason: str
    by: str = ""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class OneLetter:
    """The digest's letter to this person, and what came back after it. `waits` says what keeps all letters waiting."""

    state: str
    reason: str | None = None
    at: datetime | None = None
    reply: str | None = None
    next_try: datetime | None = None
    back: Returned | None = None
    back_at: datetime | None = None
    waits: str | None = None


@dataclass(frozen=True, slots=True)
class Newsletter:
    """The digest that is asked about."""

    slot: str
    state: str
    due_at: datetime
    frozen_at: datetime | None = None
    reason: str | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """All that the sentence is made of. `state` is the subscriber's; None for somebody who never was one."""

    who: str
    state: str | None
    now: datetime
    digest: Newsletter | None = None
    letter: OneLetter | None = None
    stopped: Stopped | None = None
    lifted: Lifted | None = None
    confirmation: OneLetter | None = None
    """The last confirmation email of somebody who has not confirmed."""
    asked_at: datetime | None = None
    confirmed_at: datetime | None = None
    left_at: datetime | None = None
    paused_until: datetime | None = None
    tests: int = 0
