"""How long a digest takes under SEND_DAILY and SEND_RATE, and how to say so."""

import math
from datetime import timedelta
from typing import NamedTuple

from db.deliveries.limits.daily_counts import Used

DAY = timedelta(days=1)
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


class Limits(NamedTuple):
    """SEND_DAILY and SEND_RATE, each 0 without a limit, and the letters that count against SEND_DAILY now."""

    daily: int
    rate: float
    used: Used = Used(0, 0)

    @property
    def today(self) -> int:
        """How many of a digest's letters may be begun now."""
        return self.used.room(self.daily, single=False)

    @property
    def each_day(self) -> int:
        """How many a digest may send each further day, if as many single letters go out as in the last one."""
        return max(1, Used(self.used.single, self.used.single).room(self.daily, single=False))


def days(people: int, limits: Limits) -> int:
    """The days that pass until SEND_DAILY has let the last of a digest's letters out; 0 if all may go now."""
    over = people - limits.today if limits.daily else 0
    return math.ceil(over / limits.each_day) if over > 0 else 0


def how_long(people: int, limits: Limits) -> timedelta:
    """How long it takes to send a digest to that many people, as far as the limits decide it."""
    by_rate = timedelta(seconds=people / limits.rate) if limits.rate else timedelta()
    return max(by_rate, days(people, limits) * DAY)


def sentence(people: int, limits: Limits) -> str:
    """How long it takes, in a sentence that names the limit; empty below two minutes."""
    lasts = how_long(people, limits)
    if lasts < timedelta(minutes=2):
        return ""
    limit = f"SEND_DAILY {limits.daily}" if lasts == days(people, limits) * DAY else f"SEND_RATE {limits.rate:g}"
    return f"At {limit} it takes about {in_words(lasts)}."


def in_words(length: timedelta) -> str:
    """A length rounded up to whole minutes, hours from two on, or days from two on: three days, 14 hours, one day."""
    for unit, size, least in (("day", DAY, 2 * DAY), ("hour", timedelta(hours=1), timedelta(hours=2))):
        if length >= least or length == size == DAY:
            return _counted(math.ceil(length / size), unit)
    return _counted(math.ceil(length / timedelta(minutes=1)), "minute")


def _counted(number: int, unit: str) -> str:
    word = _NUMBERS[number - 1] if 1 <= number <= len(_NUMBERS) else f"{number:,}"
    return f"{word} {unit}" + ("" if number == 1 else "s")
