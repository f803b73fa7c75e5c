"""A digest's content as plain values, stored at the freeze and read back for the web page and the letter."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter


def _read(kept: Any) -> Any:
    return datetime.fromisoformat(kept) if isinstance(kept, str) else kept


# Stored digests hold datetime.isoformat(). Without these two, pydantic would write UTC as "Z".
Instant = Annotated[datetime, BeforeValidator(_read), PlainSerializer(datetime.isoformat)]


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
    """The whole content of one slot's digest. Votes are counted up to the cut-off, the moment of the freeze; both times
    are in the newsletter's zone. `last_week` is the comparison that led the digest before, with this digest's figures,
    and `last_slot` that digest's slot."""

    slot: str
    due: Instant
    cutoff: Instant
    comparisons: tuple[ComparisonPart, ...]
    movers: tuple[Mover, ...] = ()
    last_week: ComparisonPart | None = None
    last_slot: str | None = None

    @property
    def tool_slugs(self) -> tuple[str, ...]:
        """Its tools in frozen order, in which own votes are counted: each comparison's two, then last week's, and each
        tool once."""
        parts = (*self.comparisons, self.last_week) if self.last_week else self.comparisons
        return tuple(dict.fromkeys(tool.slug for part in parts for tool in part.tools))

    @property
    def last_heading(self) -> str:
        """What stands above last week's result: after a week without a digest it is not last week's."""
        weeks = [
            date.fromisocalendar(int(slot[:4]), int(slot[6:]), 1) for slot in (self.last_slot or self.slot, self.slot)
        ]
        return "Last week’s result" if weeks[1] - weeks[0] == timedelta(days=7) else "The last result"

    def as_json(self) -> dict[str, Any]:
        """The content as a dict of JSON types; without a last week it is as releases before 0.6.0 stored it."""
        left_out = None if self.last_week else {"last_week", "last_slot"}
        made: dict[str, Any] = _JSON.dump_python(self, mode="json", exclude=left_out)
        return made

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "DigestContent":
        """The content from as_json()'s dict, also after a trip through JSON. Raises ValidationError for other data."""
        return _JSON.validate_python(data)


# The classes above are plain dataclasses, not pydantic models, though pydantic reads and writes them: a content that is
# too long for a letter is shortened with `dataclasses.replace`, which should not validate everything again.
_JSON = TypeAdapter(DigestContent)
