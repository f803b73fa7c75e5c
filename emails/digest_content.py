"""A digest's content as plain values, stored at the freeze and read back for the web page and the letter."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True)
class Score:
    """The number of votes (or reviews) for ship and for skip."""

    ship: int
    skip: int


@dataclass(frozen=True)
class Quote:
    """One reviewer's words and verdict."""

    reviewer: str
    verdict: Literal["ship", "skip"]
    text: str


@dataclass(frozen=True)
class ToolPart:
    """One side of a comparison, with the figures at the freeze."""

    slug: str
    name: str
    category: str
    tagline: str
    entry: str
    panel: Score
    community: Score
    quote_for: Quote | None = None
    quote_against: Quote | None = None


@dataclass(frozen=True)
class ComparisonPart:
    """Two tools and the question under them; reviews counts those of both tools."""

    slug: str
    question: str
    tools: tuple[ToolPart, ToolPart]
    reviews: int

    @property
    def heading(self) -> str:
        return f"{self.tools[0].name} vs {self.tools[1].name}"


@dataclass(frozen=True)
class Mover:
    """A tool whose community ship changed in the week, in whole percent."""

    slug: str
    name: str
    before: int
    after: int


@dataclass(frozen=True)
class DigestContent:
    """The whole content of one slot's digest. Votes are counted up to the cut-off; both times know their zone."""

    slot: str
    due: datetime
    cutoff: datetime
    comparisons: tuple[ComparisonPart, ...]
    movers: tuple[Mover, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The content as a dict of JSON types."""
        return asdict(self) | {"due": self.due.isoformat(), "cutoff": self.cutoff.isoformat()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "DigestContent":
        """The inverse of as_json(), also after a round trip through JSON."""
        return cls(
            slot=data["slot"],
            due=datetime.fromisoformat(data["due"]),
            cutoff=datetime.fromisoformat(data["cutoff"]),
            comparisons=tuple(_comparison(each) for each in data["comparisons"]),
            movers=tuple(Mover(**each) for each in data["movers"]),
        )


def _comparison(data: dict[str, Any]) -> ComparisonPart:
    first, second = (_tool(each) for each in data["tools"])
    return ComparisonPart(data["slug"], data["question"], (first, second), data["reviews"])


def _tool(data: dict[str, Any]) -> ToolPart:
    nested = {
        "panel": Score(**data["panel"]),
        "community": Score(**data["community"]),
        "quote_for": _quote(data["quote_for"]),
        "quote_against": _quote(data["quote_against"]),
    }
    return ToolPart(**(data | nested))


def _quote(data: dict[str, Any] | None) -> Quote | None:
    return None if data is None else Quote(**data)
