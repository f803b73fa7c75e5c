"""What comes back after a letter: of what kind it is, and when it suppresses its address."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

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
