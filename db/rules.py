"""Rules as pure functions on values: shares, back-off times, who may get which letter."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from types import MappingProxyType
from typing import Literal, NamedTuple

Choice = Literal["ship", "skip"]


class BadAddress(ValueError):
    """An invalid email address; the message says how to correct it."""


class Refused(ValueError):
    """An action that is not possible in the current state; the message says why and what to do."""


def share(ship: int, skip: int) -> int | None:
    """The share of `ship` in whole percent, halves rounded up; None without any."""
    total = ship + skip
    return (200 * ship + total) // (2 * total) if total else None


# ---- text ----------------------------------------------------------------------------------------------

_BIDI = dict.fromkeys(map(ord, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"))


def control_in(text: str) -> str | None:
    """The first control character in `text` (Unicode Cc except line feed, and U+2028, U+2029), or None."""
    for char in text:
        if (unicodedata.category(char) == "Cc" and char != "\n") or char in "\u2028\u2029":
            return char
    return None


def plain(text: str) -> str:
    """`text` normalized for display: NFC, single spaces, and no bidi overrides, which could reorder the line."""
    return re.sub(r"[ \n]+", " ", unicodedata.normalize("NFC", text).translate(_BIDI)).strip()


# ---- votes ----------------------------------------------------------------------------------------------

CHANGES_PER_VOTER = 30
"""How often one voter may cast, change or withdraw in a minute."""

# ---- sign-ups -------------------------------------------------------------------------------------------

SIGN_UP_LIFE = timedelta(days=14)
"""How long a confirmation link works and an unconfirmed sign-up is kept."""
REMINDER_AFTER = timedelta(days=3)
"""After so long a sign-up that nobody confirmed gets its one reminder."""
WORDS_WITHOUT_REMINDER = ("2026-11", "2026-11-28")
"""Versions of the words of consent that promised that nobody who does not confirm is mailed again (until 0.5.0)."""
SIGN_UP_PAUSE = timedelta(minutes=10)
"""At most one confirmation email per address in this time, however often the form is sent."""
NETWORK_SPAN, ADDRESS_SPAN = timedelta(hours=1), timedelta(days=1)
"""The times to which SIGNUPS_PER_NETWORK and SIGNUPS_PER_ADDRESS apply."""

# ---- operators' logins -----------------------------------------------------------------------------------

LOGINS_FREE = 5
"""Failed logins in a row for one account after which the next one has to wait."""
NETWORK_LOGINS_FREE = 20
"""The same for a network: an office has more failures than a person, and a success does not reset it."""


def login_backoff(failures: int, free: int = LOGINS_FREE) -> timedelta | None:
    """The back-off after the n-th failed login in a row: 30 s after the last free one, doubled by each further one,
    at most 1 h."""
    if failures < free:
        return None
    return timedelta(seconds=min(30 * 2 ** min(failures - free, 7), 3600))


# ---- jobs -------------------------------------------------------------------------------------------------

JOB_ATTEMPTS = 6
JOB_LEASE = timedelta(seconds=180)
"""Above the worker's hard limit of 150 s, so that a lapsed lease means a dead worker."""
OUTSIDE_LEASE = timedelta(seconds=90)
"""Above the ten seconds that a request may take, and the minute for which its end is tried to be stored."""


def job_backoff(attempt: int, jitter: float) -> timedelta:
    """How long a failed job waits after its n-th attempt: 30 s × 4ⁿ⁻¹, at most 6 h, ± 20 % by `jitter` in [0, 1)."""
    return _spread(_grown(30.0, 4, attempt, 6 * 3600.0), jitter)


PATIENT_JOBS = frozenset({"PersonsErased", "TracesMasked", "ErasureWritten"})
"""What is owed to somebody who was erased is tried until it succeeds: such a job is never dead by itself."""


def patient_backoff(attempt: int, jitter: float) -> timedelta:
    """How long such a job waits after its n-th attempt: 2 s × 2ⁿ⁻¹, at most 5 min, ± 20 %."""
    return _spread(_grown(2.0, 2, attempt, 300.0), jitter)


def defer_backoff(attempt: int, jitter: float) -> timedelta:
    """How long a deferred letter waits after its n-th try: 7 min × 2ⁿ⁻¹, at most 4 h, ± 14 %.

    Greylisting asks for 5 minutes at least, so that 5 minutes ± 20 % would come too early half of the time.
    """
    return _spread(_grown(420.0, 2, attempt, 4 * 3600.0), jitter, 0.14)


def named_backoff(named: timedelta, attempt: int, jitter: float) -> timedelta:
    """The wait after a reply that names one: never earlier than that and up to 15 % later, at most 4 h.

    After its first try a letter waits no shorter than others do.
    """
    wait = timedelta(seconds=5) + named * (1 + 0.15 * jitter)
    return min(max(wait, defer_backoff(attempt, jitter)) if attempt > 1 else wait, timedelta(hours=4))


def put_off_backoff(time: int, jitter: float) -> timedelta:
    """How long a letter waits after the n-th refusal that is not its recipient's fault while others are taken: 1 min ×
    2ⁿ⁻¹, at most 4 h, ± 20 %."""
    return _spread(_grown(60.0, 2, time, 4 * 3600.0), jitter)


def day_backoff(failures: int, jitter: float) -> timedelta:
    """The wait after the n-th refusal that speaks of a day: 3 h × 1.4ⁿ⁻¹, at most 6 h, ± 10 %."""
    return _spread(_grown(3 * 3600.0, 1.4, failures, 6 * 3600.0), jitter, 0.1)


def breaker_backoff(failures: int, jitter: float) -> timedelta:
    """The breaker's back-off after the mail server's n-th refusal in a row: 5 s × 2ⁿ⁻¹, at most 5 min, ± 20 %."""
    return _spread(_grown(5.0, 2, failures, 300.0), jitter)


def _grown(first: float, times: float, number: int, most: float) -> float:
    # After days of refusals `number` is in the thousands, and an unlimited power would overflow a float.
    return min(first * times ** min(number - 1, 20), most)


def _spread(seconds: float, jitter: float, by: float = 0.2) -> timedelta:
    return timedelta(seconds=seconds * (1 - by + 2 * by * jitter))


# ---- letters ----------------------------------------------------------------------------------------------

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
        return None
    if who in ("active", "pending") and person.state != who:
        return person.state if person.state != "active" else "already confirmed"
    if person.suppressed:
        return "suppressed"
    if letter == "digest" and person.paused_until and person.paused_until > now:
        return "paused"
    return None


# ---- how long what is kept ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a kind of data is kept, and why; pages, letters and docs promise no other time."""

    what: str
    period: timedelta | None
    """None for as long as there is no other reason to remove it, which `until` names."""
    until: str
    why: str


RETENTION: Mapping[str, Retention] = MappingProxyType(
    {
        "deliveries": Retention(
            "letters to readers, and what became of them", timedelta(days=396), "13 months",
            "questions about a letter can be answered and its vote links work; a digest keeps its final account",
        ),
        "jobs": Retention(
            "jobs that succeeded, with their attempts", timedelta(days=7), "7 days",
            "whoever looks into a failure sees what went well around it",
        ),
        "sign-ups": Retention(
            "sign-ups that nobody confirmed", SIGN_UP_LIFE, "14 days", "for so long the confirmation link works"
        ),
        "limits": Retention(
            "how often a network or mailbox signed up", ADDRESS_SPAN, "a day at most", "that is what the limits count"
        ),
        "webhook messages": Retention(
            "what webhooks were told", timedelta(days=30), "30 days", "a receiver that was away can be told again"
        ),
        "raw events": Retention(
            "bounces and complaints as they came in", timedelta(days=30), "30 days",
            "one that was read wrongly can be looked at",
        ),
        "feedback": Retention(
            "bounces and complaints, with the letter that each is about", timedelta(days=396), "13 months",
            "a question about a letter can be answered as long as the letter is kept",
        ),
        "outages": Retention(
            "when a mail server refused all mail", timedelta(days=30), "30 days", "that time makes no letter old"
        ),
        "failed logins": Retention(
            "failed logins, by keyed hash", timedelta(days=1), "a day", "whoever guesses passwords has to wait"
        ),
        "heartbeats": Retention(
            "signs of life of processes", timedelta(days=1), "a day", "the console shows what ran lately"
        ),
        "failed jobs": Retention("jobs that failed or were discarded", None, "an operator decides", "a person owes it"),
        "votes": Retention("votes", None, "the voter withdraws them or is erased", "they are the community's figures"),
        "consents": Retention(
            "the proof of consent", None, "the reader is erased, which takes the person out of it",
            "who mails has to be able to prove it",
        ),
        "suppressions": Retention(
            "the suppression list, by keyed hash", None, "an operator lifts one", "nobody on it may be mailed"
        ),
        "digests": Retention("digests", None, "for ever", "their pages are the archive"),
        "audit": Retention("the audit log", None, "for ever", "who did what stays provable"),
    }
)  # fmt: skip


def kept(kind: str) -> timedelta:
    """How long a kind of data is kept that is removed when its time is over."""
    period = RETENTION[kind].period
    assert period is not None
    return period


# ---- suppressions -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SuppressionRule:
    """A reason's weight (the heavier one stays), the lowest role that may lift it, and how to say so."""

    weight: int
    lifted_by: Literal["operator", "admin"]
    lifted: str
    needs_note: bool = True
    """Whether whoever lifts it has to say why."""


SUPPRESSIONS: Mapping[str, SuppressionRule] = MappingProxyType(
    {
        "by hand": SuppressionRule(1, "operator", "by an operator", needs_note=False),
        "repeated soft bounce": SuppressionRule(
            2, "operator", "by an operator, who says why, once the mailbox takes mail again"
        ),
        "hard bounce": SuppressionRule(
            3, "operator", "by an operator, who says why, once the address is known to work"
        ),
        "complaint": SuppressionRule(4, "admin", "by an admin, who says why: the reader called our mail spam"),
        "erased": SuppressionRule(5, "admin", "by an admin, who says why: the reader had everything erased"),
    }
)


HARD_BOUNCE_REST = timedelta(days=1)
"""How long after a hard bounce a new sign-up gets no confirm letter; the mailbox may exist by then."""

# ---- what comes back after a letter -------------------------------------------------------------------------

Returned = Literal["hard", "suspended", "soft", "content", "complaint"]
"""What a bounce or a complaint is. hard: the address does not exist. suspended: its provider has switched it off
(RFC 3463, 5.2.1). soft: it may take mail another day. content: our fault, and never counted against the address."""
COMPLAINTS = ("abuse", "fraud", "opt-out", "opt-out-list")
"""Types of feedback reports (RFC 5965) by which a reader complains. The others, such as auth-failure, not-spam and
virus, suppress nobody."""
SOFT_LETTERS, SOFT_SPAN, SOFT_LIFE = 3, timedelta(days=15), timedelta(days=35)
SUSPENDED_LETTERS = 2
"""An address is suppressed when three digests in a row came back soft over at least 15 days, or two letters in a row
from a suspended mailbox. What is older than 35 days is stale, and counts no more."""


class SoftBounce(NamedTuple):
    """A letter that a mailbox did not take: when it was sent, whether it was a digest, and what was said."""

    at: datetime
    is_digest: bool
    suspended: bool = False


def returned(kind: Literal["hard", "soft", "content", "complaint"], status: str | None) -> Returned:
    """What a bounce or a complaint with this enhanced status code is."""
    return "suspended" if kind in ("hard", "soft") and status == "5.2.1" else kind


def soft_bounces_suppress(in_a_row: Sequence[SoftBounce], now: datetime) -> str | None:
    """The reason for which letters that came back in a row suppress their address; None if they do not yet."""
    fresh = [each for each in in_a_row if each.at > now - SOFT_LIFE]
    if sum(each.suspended for each in fresh) >= SUSPENDED_LETTERS:
        return "hard bounce"
    digests = [each.at for each in fresh if each.is_digest]
    enough = len(digests) >= SOFT_LETTERS and max(digests) - min(digests) >= SOFT_SPAN
    return "repeated soft bounce" if enough else None


# ---- stop rules -------------------------------------------------------------------------------------------

WATCHED, WATCHED_AT_LEAST = 500, 100
HARD_SHARE, CONTENT_SHARE = 0.05, 0.02
"""Sending stops when of the last 500 letters and at least 100 more than 5 % were refused as addresses that do not
exist, or more than 2 % for their content. (Amazon SES reviews an account from 5 % hard bounces on, and pauses it from
10 %: Amazon SES Developer Guide, "Reputation metrics messages".)"""
NONE_TAKEN = 20
"""A list too short for the share: sending also stops when all of at least 20 letters were refused as such addresses."""
DOMAIN_WATCHED = 20
"""A domain is held when more than half of its last 20 letters were. Gmail said "no such user" of everybody on 14 and 15
December 2020."""


def stops(letters: int, hard: int, content: int, seen: Mapping[str, float]) -> Literal["hard", "content"] | None:
    """Which rule stops a digest after these last letters.

    `seen` are the shares with which somebody let this digest go on before: half as much again passes, up to a half.
    """
    if letters >= NONE_TAKEN and hard == letters:
        return "hard"
    if letters < WATCHED_AT_LEAST:
        return None
    if hard > letters * max(HARD_SHARE, min(0.5, 1.5 * seen.get("hard", 0.0))):
        return "hard"
    return "content" if content > letters * max(CONTENT_SHARE, min(0.5, 1.5 * seen.get("content", 0.0))) else None


COMPLAINTS_AT_LEAST, COMPLAINT_SHARE = 3, 0.001
"""Sending stops, too, when at least 3 readers and more than 0.1 % of those to whom a digest was sent complain of it."""


def complaints_stop(sent: int, complaints: int, seen: Mapping[str, float]) -> bool:
    """Whether complaints about a digest stop it; `seen` as in `stops`."""
    most = max(COMPLAINT_SHARE, min(0.5, 1.5 * seen.get("complaint", 0.0)))
    return complaints >= COMPLAINTS_AT_LEAST and complaints > sent * most


Fate = Literal["taken", "hard", "content"]


class Tripped(NamedTuple):
    """How many of the last letters were refused when a rule tripped."""

    rule: Literal["hard", "content"]
    refused: int
    letters: int


def stops_among(fates: Sequence[Fate], heard: int, seen: Mapping[str, float]) -> Tripped | None:
    """Which rule stops a digest now that a letter has come back, the one at place `heard` in the order of sending.

    A bounce comes later than its letter, and others were sent meanwhile. So the rule is asked as at each of the next
    letters, as if all that is known by now had been said at once.
    """
    hard, content = (list(accumulate((each == kind for each in fates), initial=0)) for kind in ("hard", "content"))
    for end in range(heard + 1, min(len(fates), heard + WATCHED) + 1):
        begin = max(0, end - WATCHED)
        counts = {"hard": hard[end] - hard[begin], "content": content[end] - content[begin]}
        if rule := stops(end - begin, counts["hard"], counts["content"], seen):
            return Tripped(rule, counts[rule], end - begin)
    return None


def holds_among(hard: Sequence[bool], heard: int, released: int = 0) -> Tripped | None:
    """The same for a domain's letters, and whether these hold it."""
    for end in range(heard + 1, min(len(hard), heard + DOMAIN_WATCHED) + 1):
        last = hard[max(0, end - DOMAIN_WATCHED) : end]
        if holds_domain(sum(last), released):
            return Tripped("hard", sum(last), len(last))
    return None


def holds_domain(hard: int, released: int = 0) -> bool:
    """Whether so many hard refusals among a domain's last 20 letters hold it. Once released for the same digest, it is
    held again only if all 20 were; released twice, no more."""
    needed = (DOMAIN_WATCHED // 2 + 1, DOMAIN_WATCHED)
    return released < len(needed) and hard >= needed[released]


# ---- sending ----------------------------------------------------------------------------------------------

BATCH, FIRST_BATCH = 200, 24
"""The most letters under one claim, and the number while the pace is unknown."""


def window(pace: float, ceiling: int) -> int:
    """The window (letters begun and not yet settled): about 10 ms of work at `pace` seconds a letter, 1 to `ceiling`.

    On a slow mail server a commit per letter costs little; on a fast one it would halve the rate.
    """
    return max(1, min(ceiling, math.ceil(0.010 / pace))) if pace > 0 else ceiling


def batch(pace: float) -> int:
    """Letters to claim at once: about a second of work at `pace` seconds a letter, a few until that is known.

    If every claim took BATCH letters, sixteen connections would all have work only in a digest to 3,200 readers
    or more.
    """
    return max(1, min(BATCH, math.ceil(1 / pace) if pace > 0 else FIRST_BATCH))


def daily_reserve(daily: int, single: int) -> int:
    """How many of SEND_DAILY's letters a digest leaves free for single letters, such as confirm letters: 5 %, or as
    many as went out in the last 24 hours (`single`), but with those at most half."""
    return max(0, min(daily // 2 - single, max(math.ceil(daily / 20), single)))
