"""Events, named in the past tense: facts that other parts of the system may react to."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """An event; its fields are plain values that a job stores as JSON."""

    kinds: ClassVar[dict[str, type["Event"]]] = {}

    def __init_subclass__(cls) -> None:
        Event.kinds[cls.__name__] = cls

    def payload(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class SubscriptionRequested(Event):
    """A visitor submitted the sign-up form; `sign_up` is the consent row with the proof."""

    sign_up: int
    subscriber: int


@dataclass(frozen=True)
class SubscriptionConfirmed(Event):
    """The address's owner confirmed through the link in the confirmation email."""

    sign_up: int
    subscriber: int


@dataclass(frozen=True)
class ComparisonPublished(Event):
    """A comparison was added to the catalog."""

    comparison: int


def from_payload(kind: str, payload: dict[str, Any]) -> Event:
    """The event of that kind; KeyError for a kind this release does not know, TypeError for wrong fields."""
    return Event.kinds[kind](**payload)
