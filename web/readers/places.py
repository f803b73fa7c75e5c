"""Pages in pieces: what is the same for everybody, and the places where a reader's own vote shows.

A page is rendered once, with a mark at each such place. For a reader with votes the places of those tools alone are
rendered anew, as a letter's places are filled in for each recipient.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from flask import current_app, render_template
from jinja2 import Environment
from markupsafe import Markup

from db import moments
from db.rules import share
from db.votes.tallies import Figures
from web.readers.scores import trend_line

_TOKEN = secrets.token_hex(8)
"""Unknown to everybody outside of this process, so that no name or quote in the catalog can look like a mark."""
_RATING = ', "aggregateRating": "'
_MARK = re.compile(rf'{_TOKEN}:(\d+)(\x03|")')
"""It begins with a fixed text, which is searched for at once. Before it stands one character, or the rating's key."""
NONE = Figures()


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a page that shows figures of one tool; `shared` is what readers without a vote on it see."""

    tool_id: int
    kind: str
    arguments: tuple[Any, ...]
    shared: bytes


@dataclass(frozen=True, slots=True)
class Pieces:
    """A page for all readers: bytes with places between them."""

    parts: tuple[bytes | Place, ...]

    @property
    def tools(self) -> frozenset[int]:
        """The tools whose figures the page shows."""
        return frozenset(part.tool_id for part in self.parts if isinstance(part, Place))

    def shared(self) -> bytes:
        """The page of a reader without votes on these tools."""
        return b"".join(part.shared if isinstance(part, Place) else part for part in self.parts)

    def with_figures(self, figures: Mapping[int, Figures]) -> "Pieces":
        """The same page on the same day with other figures. Of a trend they are the last point, which alone a fold
        changes; the vote forms of readers without votes stay as they are."""
        return Pieces(tuple(_renewed(part, figures) if isinstance(part, Place) else part for part in self.parts))

    def with_votes(self, own: Mapping[int, Figures]) -> bytes:
        """The page of a reader with these votes. The figures include them, counted or not."""
        return b"".join(_own(part, own) if isinstance(part, Place) else part for part in self.parts)


def _own(place: Place, own: Mapping[int, Figures]) -> bytes:
    seen = own.get(place.tool_id)
    return place.shared if seen is None else _rendered(place.kind, seen, place.arguments).encode()


def _renewed(place: Place, figures: Mapping[int, Figures]) -> Place:
    return place if place.kind == "vote form" else _place(place.kind, place.tool_id, place.arguments, figures)


def _place(kind: str, tool_id: int, arguments: tuple[Any, ...], figures: Mapping[int, Figures]) -> Place:
    return Place(tool_id, kind, arguments, _rendered(kind, figures.get(tool_id, NONE), arguments).encode())


def render(template: str, figures: Mapping[int, Figures], **values: Any) -> Pieces:
    """The page from its template, which names its places by `place(kind, tool_id, …)`."""
    places: list[Place] = []

    def place(kind: str, tool_id: int, *arguments: Any) -> Markup:
        places.append(_place(kind, tool_id, arguments, figures))
        return Markup(f"\x02{_TOKEN}:{len(places) - 1}\x03")

    page, at = render_template(template, place=place, **values), 0
    parts: list[bytes | Place] = []
    for mark in _MARK.finditer(page):
        number, rated = int(mark[1]), mark[2] == '"'
        before = page[at : mark.start() - (len(_RATING) if rated else 1)]
        parts += [before.encode(), _rating_of(number, figures) if rated else places[number]]
        at = mark.end()
    return Pieces((*parts, page[at:].encode()))


# ---- the kinds of places -----------------------------------------------------------------------------------


def rating_mark(tool_id: int) -> str:
    """What stands for a tool's `aggregateRating` in JSON-LD until it is filled in; never an object's first key."""
    return f"{_TOKEN}:{tool_id}"


def _rating_of(tool_id: int, figures: Mapping[int, Figures]) -> Place:
    return _place("rating", tool_id, (), figures)


def _rating(seen: Figures) -> str:
    percent = share(seen.ship, seen.skip)
    if percent is None:
        return ""
    told = {"@type": "AggregateRating", "bestRating": 100, "ratingCount": seen.ship + seen.skip, "ratingValue": percent,
            "worstRating": 0}  # fmt: skip
    return f', "aggregateRating": {json.dumps(told)}'


def _rendered(kind: str, seen: Figures, arguments: tuple[Any, ...]) -> str:
    return _KINDS[kind](seen, *arguments)


def part(template: str, macro: str, *arguments: Any) -> Markup:
    """A part of a page that depends on these few arguments alone, rendered once a day: forms hold the day's stamp."""
    return _part(current_app.jinja_env, moments.now().date(), template, macro, arguments)


@lru_cache(maxsize=256)
def _part(environment: Environment, _today: date, template: str, macro: str, arguments: tuple[Any, ...]) -> Markup:
    return Markup(_macro_of(environment, template, macro)(*arguments))


def _macro(template: str, name: str) -> Callable[..., str]:
    return _macro_of(current_app.jinja_env, template, name)


@lru_cache(maxsize=32)
def _macro_of(environment: Environment, template: str, name: str) -> Callable[..., str]:
    macros: Any = environment.get_template(template).module
    found: Callable[..., str] = getattr(macros, name)
    return found


@lru_cache(maxsize=2048)
def _percent(seen: Figures, absent: str) -> str:
    return str(_macro("parts/scores.html", "percent")(seen.ship, seen.skip, absent))


@lru_cache(maxsize=2048)
def _figures(seen: Figures, panel: tuple[int, int], live: str) -> str:
    both = _figure("panel_figure", *panel), _figure("community_figure", seen.ship, seen.skip)
    return str(_macro("parts/scores.html", "figure_list")(*both, live))


@lru_cache(maxsize=2048)
def _figure(macro: str, ship: int, skip: int) -> str:
    return _macro("parts/scores.html", macro)(ship, skip)


def _trend(seen: Figures, weeks: Sequence[int | None], live: str) -> str:
    # The line ends at the figure that is shown beside it, which already includes the reader's own vote.
    line = trend_line([*weeks[:-1], share(seen.ship, seen.skip)])
    return str(_macro("parts/scores.html", "trend")(line, seen.ship + seen.skip, live))


def _vote_form(seen: Figures, slug: str, name: str, comparison: str, level: str) -> str:
    return str(_macro("parts/tool.html", "vote_form")(slug, name, seen.own, comparison, level))


_KINDS: dict[str, Callable[..., str]] = {
    "percent": _percent,
    "figures": _figures,
    "trend": _trend,
    "vote form": _vote_form,
    "rating": _rating,
}
