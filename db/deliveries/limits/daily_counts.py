"""The arithmetic of SEND_DAILY: how many letters may be begun, since when, and when the next ones may."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from db import rules

DAY = timedelta(hours=24)
MARGIN = timedelta(minutes=1)
"""Hosts' clocks differ, and the mail server counts a letter when it takes it, not when we begin it."""
MINUTE = timedelta(minutes=1)
LONGEST = DAY + MARGIN + MINUTE
"""No letter counts for longer than this after its claim's end."""


class Minute(NamedTuple):
    """The letters whose claims ended in one minute, and until when they count; `single` of them were no digest's."""

    counts_until: datetime
    letters: int
    single: int


class Used(NamedTuple):
    """Letters that count now, with those under a claim; `single` of them are no digest's."""

    letters: int
    single: int

    def room(self, daily: int, *, single: bool) -> int:
        """How many more may be begun. A digest leaves some free for single letters, so that a confirm letter goes out
        at once while a digest takes three days."""
        return max(0, daily - self.letters - (0 if single else rules.daily_reserve(daily, self.single)))


def counts_until(now: datetime) -> datetime:
    """Until when the letters of a claim that ends now count."""
    return now.replace(second=0, microsecond=0) + LONGEST


def shut_until(minutes: Iterable[Minute], daily: int, now: datetime, *, single: bool) -> datetime | None:
    """The last moment until now at which no letter could be begun; None if the minutes tell of none."""
    known = sorted(minutes)
    if _sum(known).room(daily, single=single):
        return None  # not even all of them together were too many
    ends = [each.counts_until for each in known]
    for at in reversed(range(bisect_right(ends, now))):
        counted = known[at : bisect_right(ends, ends[at] + LONGEST)]
        if not _sum(counted).room(daily, single=single):
            return ends[at]
    return None


def open_at(used: Used, minutes: Iterable[Minute], daily: int, now: datetime, *, single: bool) -> datetime | None:
    """When the next letter may be begun; None if one may be begun now. What is under a claim counts for a day yet."""
    if used.room(daily, single=single):
        return None
    for each in sorted(here for here in minutes if here.counts_until > now):
        used = Used(used.letters - each.letters, used.single - each.single)
        if used.room(daily, single=single):
            return each.counts_until
    return counts_until(now)


def _sum(minutes: Sequence[Minute]) -> Used:
    return Used(sum(each.letters for each in minutes), sum(each.single for each in minutes))
