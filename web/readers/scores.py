"""How figures are shown: percentages, split bars and the trend line, each with a text for screen readers."""

from collections.abc import Sequence
from dataclasses import dataclass

from db.rules import share

GAP = 2.0
"""The gap between two parts of a bar, in percent of its width."""
LEAST = 1.5
"""The narrowest a part is drawn, so that one vote among thousands can still be seen."""
MOST_BLOCKS = 12
"""A panel larger than this is drawn as one length: its blocks would be too thin to count."""

_NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


@dataclass(frozen=True, slots=True)
class Segment:
    """One rectangle of a bar; lengths in percent of the bar's width."""

    says: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A split bar and its text for screen readers."""

    parts: tuple[Segment, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Trend:
    """The line of community ship over some weeks, in a field 120 wide and 48 high."""

    path: str
    end: str
    half: str
    first: int
    last: int
    words: str


def number(count: int) -> str:
    """A count in words up to twelve, in digits with commas above."""
    return _NUMBERS[count] if 0 <= count < len(_NUMBERS) else f"{count:,}"


def panel_bar(ship: int, skip: int) -> Bar | None:
    """One block per reviewer; None without a review."""
    total = ship + skip
    if not total:
        return None
    words = _verdict(ship, skip)
    if total > MOST_BLOCKS:
        return Bar(_lengths(ship, skip), words)
    width = (100 - GAP * (total - 1)) / total
    blocks = ["ship"] * ship + ["skip"] * skip
    return Bar(tuple(_part(says, n * (width + GAP), width) for n, says in enumerate(blocks)), words)


def community_bar(ship: int, skip: int) -> Bar | None:
    """One length for ship, one for skip; None without a vote."""
    total = ship + skip
    if not total:
        return None
    votes = "vote says" if total == 1 else "votes say"
    return Bar(_lengths(ship, skip), f"{share(ship, skip)}% of {total:,} {votes} ship")


def _lengths(ship: int, skip: int) -> tuple[Segment, ...]:
    if not skip:
        return (_part("ship", 0, 100),)
    if not ship:
        return (_part("skip", 0, 100),)
    room = 100 - GAP
    length = min(max(room * ship / (ship + skip), LEAST), room - LEAST)
    return (_part("ship", 0, length), _part("skip", length + GAP, room - length))


def _part(says: str, x: float, width: float) -> Segment:
    if says == "skip":  # the outline is drawn on the edge, half of it outside
        x, width = x + 0.5, width - 1
    return Segment(says, f"{x:.1f}%", f"{width:.1f}%")


def _verdict(ship: int, skip: int) -> str:
    total = ship + skip
    if ship and skip:
        said = f"{number(ship).capitalize()} of {number(total)} reviewers {_say(ship)} ship"
        return f"{said}, {number(skip)} {_say(skip)} skip"
    word = "ship" if ship else "skip"
    return f"The only reviewer says {word}" if total == 1 else f"All {number(total)} reviewers say {word}"


def _say(count: int) -> str:
    return "says" if count == 1 else "say"


def trend_line(weeks: Sequence[int | None]) -> Trend | None:
    """A line through the weeks that have a figure; None where fewer than two have one."""
    known = [(place, value) for place, value in enumerate(weeks) if value is not None]
    if len(known) < 2:
        return None
    values = [value for _, value in known]
    low, high = min(*values, 50), max(*values, 50)
    step, height = 116 / max(len(weeks) - 1, 1), max(high - low, 20)

    def at(place: int, value: float) -> str:
        return f"{2 + step * place:.1f} {44 - 40 * (value - low) / height:.1f}"

    path = "M" + " L".join(at(place, value) for place, value in known)
    return Trend(path, f"M{at(*known[-1])}h.01", at(0, 50).split()[1], values[0], values[-1], _course(known))


def _course(known: Sequence[tuple[int, int]]) -> str:
    values = [value for _, value in known]
    first, last, weeks = values[0], values[-1], known[-1][0] - known[0][0] + 1
    words = f"Community ship {'rose' if last > first else 'fell'} from {first}% to {last}%"
    if first == last:
        words = f"Community ship started and ended at {last}%"
    words += f" over {number(weeks)} weeks"
    low, high = min(values), max(values)
    if low < min(first, last) - 2:
        words += f", with a low of {low}%"
    if high > max(first, last) + 2:
        words += f"{' and' if 'low' in words else ', with'} a high of {high}%"
    return words
