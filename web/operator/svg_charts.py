"""Charts as our own SVG: columns in the site's colours, a text for screen readers, and a table of the same figures.

A library would bring its own style and script elements, which the strict CSP of these pages forbids.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from db.monitoring.charts import DigestCounts, Period

HEIGHT = 120
_GAP = 0.25
"""The gap between two columns, as a share of a column's width."""
_WIDEST = 10.0
"""The widest column, in percent, for a chart with only one digest."""
_LEAST = 1.5
"""The least height of a part, in px, so that one failure beside thousands is visible."""


@dataclass(frozen=True, slots=True)
class Rect:
    """One part of a column; x and width in percent, y and height in px of HEIGHT."""

    kind: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, what it says in words, and the same figures as a table: `head` and `rows`."""

    title: str
    words: str
    rects: tuple[Rect, ...]
    base: str
    top: int
    first: str
    last: str
    keys: tuple[tuple[str, str], ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Column = Sequence[tuple[str, int]]
"""Parts of one column from the base outward: kind and number; those below zero go downward."""


def draw(columns: Sequence[Column]) -> tuple[tuple[Rect, ...], str, int]:
    """The rectangles, where the base line lies, and the largest height that a column reaches."""
    above = max((sum(number for _, number in parts if number > 0) for parts in columns), default=0)
    below = max((-sum(number for _, number in parts if number < 0) for parts in columns), default=0)
    room = HEIGHT - 2
    base = 1 + room * above / max(1, above + below)
    per = room / max(1, above + below)
    step = 100 / max(1, len(columns))
    rects = []
    for at, parts in enumerate(columns):
        up = down = base
        for kind, number in parts:
            height = max(_LEAST, abs(number) * per)
            if number > 0:
                up -= height
                rects.append(_rect(kind, at, step, up, height))
            elif number < 0:
                rects.append(_rect(kind, at, step, down, height))
                down += height
    return tuple(rects), f"{base:.1f}", above


def _rect(kind: str, at: int, step: float, y: float, height: float) -> Rect:
    width = min(step * (1 - _GAP), _WIDEST)
    return Rect(kind, f"{step * at + (step - width) / 2:.2f}%", f"{y:.1f}", f"{width:.2f}%", f"{height:.1f}")


# ---- the four of them --------------------------------------------------------------------------------------


def subscribers(weeks: Sequence[Period]) -> Chart | None:
    """Subscribers who joined and left by week; None without any."""
    came, left = sum(week.ups for week in weeks), sum(week.downs for week in weeks)
    if not came and not left:
        return None
    net = came - left
    best = max(weeks, key=lambda week: week.ups - week.downs)
    rects, base, top = draw([(("came", week.ups), ("left", -week.downs)) for week in weeks])
    words = (
        f"Subscribers {_moved(net)} in {len(weeks)} weeks: {came:,} came, {left:,} left;"
        f" the best week began on {_day(best)}, with {best.ups - best.downs:+,}"
    )
    rows = [(f"{week.start}", f"{week.ups:,}", f"{week.downs:,}", f"{week.ups - week.downs:+,}") for week in weeks]
    return Chart(
        "Subscribers by week", words, rects, base, top, _day(weeks[0]), _day(weeks[-1]),
        (("came", "came"), ("left", "left")), ("Week of", "Came", "Left", "Net"), tuple(rows),
    )  # fmt: skip


def votes(days: Sequence[Period]) -> Chart | None:
    """The change of the tallies per day; None without votes."""
    ship, skip = sum(day.ups for day in days), sum(day.downs for day in days)
    if not any(day.ups or day.downs for day in days):
        return None
    most = max(days, key=lambda day: day.ups + day.downs)
    rects, base, top = draw([(("ship", day.ups), ("skip", day.downs)) for day in days])
    words = (
        f"{ship + skip:,} votes more in {len(days)} days than before, {ship:,} ship and {skip:,} skip;"
        f" the most on {_day(most)}, {most.ups + most.downs:,}"
    )
    rows = [(f"{day.start}", f"{day.ups:,}", f"{day.downs:,}") for day in days]
    return Chart(
        "Votes by day", words, rects, base, top, _day(days[0]), _day(days[-1]),
        (("ship", "ship"), ("skip", "skip")), ("Day", "Ship", "Skip"), tuple(rows),
    )  # fmt: skip


def failures(days: Sequence[Period]) -> Chart | None:
    """Failed attempts per day; None without any."""
    total = sum(day.ups for day in days)
    if not total:
        return None
    worst, today = max(days, key=lambda day: day.ups), days[-1].ups
    rects, base, top = draw([(("failed", day.ups),) for day in days])
    words = f"{total:,} attempts at jobs failed in {len(days)} days, {today:,} of them today;" \
            f" the most on {_day(worst)}, {worst.ups:,}"  # fmt: skip
    rows = [(f"{day.start}", f"{day.ups:,}") for day in days]
    return Chart(
        "Job failures by day", words, rects, base, top, _day(days[0]), _day(days[-1]),
        (("failed", "failed attempts"),), ("Day", "Failed"), tuple(rows),
    )  # fmt: skip


_STATES = (
    ("sent", ("sent",)), ("defer", ("deferred",)), ("bad", ("failed", "unknown")),
    ("skipd", ("skipped", "cancelled")), ("wait", ("pending", "sending")),
)  # fmt: skip
_ORDER = ("sent", "deferred", "failed", "unknown", "skipped", "cancelled", "pending", "sending")


def digest_counts(digests: Sequence[DigestCounts]) -> Chart | None:
    """Each digest's letters by state; None before the first digest."""
    if not digests:
        return None
    columns = [[(kind, sum(each.states.get(s, 0) for s in states)) for kind, states in _STATES] for each in digests]
    rects, base, top = draw(columns)
    latest = digests[-1]
    shown = ", ".join(f"{latest.states[state]:,} {state}" for state in _ORDER if latest.states.get(state))
    number = "1 digest" if len(digests) == 1 else f"{len(digests)} digests"
    words = f"Deliveries of {number}; of the latest, {latest.slot}: {shown or 'none yet'}"
    rows = [(each.slot, *(f"{each.states.get(state, 0):,}" for state in _ORDER)) for each in digests]
    keys = (("sent", "sent"), ("defer", "deferred"), ("bad", "failed, unknown"), ("skipd", "skipped, cancelled"),
            ("wait", "owed"))  # fmt: skip
    return Chart("Deliveries by digest", words, rects, base, top, digests[0].slot, latest.slot, keys,
                 ("Digest", *(state.capitalize() for state in _ORDER)), tuple(rows))  # fmt: skip


def _moved(net: int) -> str:
    return f"rose by {net:,}" if net > 0 else f"fell by {-net:,}" if net < 0 else "stand where they stood"


def _day(period: Period) -> str:
    return f"{period.start.day} {period.start:%b}"
