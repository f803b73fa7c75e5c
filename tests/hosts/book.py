"""What the mail server's book tells: how fast the letters came, and how long none came."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise


def rate(times: Sequence[float]) -> float:
    """Letters a second, without the first and the last tenth, in which senders start and run out of letters."""
    ordered = sorted(times)
    first, last = len(ordered) // 10, len(ordered) - 1 - len(ordered) // 10
    if last <= first or ordered[last] == ordered[first]:
        return 0.0
    return (last - first) / (ordered[last] - ordered[first])


def longest_silence(times: Iterable[float], since: float, until: float) -> float:
    """The longest time within these bounds in which no letter came, in seconds."""
    stops = [since, *sorted(each for each in times if since < each < until), max(since, until)]
    return max(after - before for before, after in pairwise(stops))


def taken_twice(letters: Iterable[tuple[str, str]]) -> list[str]:
    """The recipients of letters that came more than once. Whoever signs up twice gets two confirm letters, with two
    Message-IDs; but nobody gets a digest twice, whatever it is called."""
    times = Counter(to if name.startswith("<digest.") else f"{to} {name}" for to, name in letters)
    return [letter for letter, number in times.items() if number > 1]
