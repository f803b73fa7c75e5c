"""Stop rules: when refusals, bounces or complaints stop a digest, or hold a domain."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

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
    if _exceeds(hard, letters, HARD_SHARE, seen.get("hard", 0.0)):
        return "hard"
    return "content" if _exceeds(content, letters, CONTENT_SHARE, seen.get("content", 0.0)) else None


def _exceeds(refused: int, letters: int, share: float, seen: float) -> bool:
    """Whether it is more than that share, or half as much again as passed before. A float may be a little too small, so
    that exactly this much would seem to be more."""
    return refused - letters * max(share, min(0.5, 1.5 * seen)) > 1e-6


COMPLAINTS_AT_LEAST, COMPLAINT_SHARE = 3, 0.001
"""Sending stops, too, when at least 3 readers and more than 0.1 % of those to whom a digest was sent complain of it."""


def complaints_stop(sent: int, complaints: int, seen: Mapping[str, float]) -> bool:
    """Whether complaints about a digest stop it; `seen` as in `stops`."""
    too_many = _exceeds(complaints, sent, COMPLAINT_SHARE, seen.get("complaint", 0.0))
    return complaints >= COMPLAINTS_AT_LEAST and too_many


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
