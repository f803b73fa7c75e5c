"""What happened, in the past tense: the facts that somebody else may react to."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """Something that happened; its fields are plain values that a job keeps as JSON."""

    kinds: ClassVar[dict[str, type["Event"]]] = {}

    def __init_subclass__(cls) -> None:
        Event.kinds[cls.__name__] = cls

    def payload(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class SubscriptionRequested(Event):
    """Somebody typed an address into the form; `sign_up` is the consent row that keeps the proof."""

    sign_up: int
    subscriber: int


@dataclass(frozen=True)
class SubscriptionConfirmed(Event):
    """The address's owner pressed the button behind the confirm letter."""

    sign_up: int
    subscriber: int


@dataclass(frozen=True)
class ComparisonPublished(Event):
    """A comparison came into the catalogue."""

    comparison: int


def from_payload(kind: str, payload: dict[str, Any]) -> Event:
    """The event of that kind; KeyError for a kind this release does not know, TypeError for wrong fields."""
    return Event.kinds[kind](**payload)
