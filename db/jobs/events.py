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
    """A comparison was added to the catalog, or is to be published at another moment, which may lie in the future."""

    comparison: int


@dataclass(frozen=True)
class SubscriptionEnded(Event):
    """A subscriber left, through `channel` (page, one-click, mail, relay), or was erased (erasure)."""

    subscriber: int
    channel: str


@dataclass(frozen=True)
class DigestFrozen(Event):
    """A digest's content and audience are fixed."""

    digest: int


@dataclass(frozen=True)
class DigestFinished(Event):
    """Nothing of a digest is owed or in doubt any more."""

    digest: int


@dataclass(frozen=True)
class DigestCancelled(Event):
    """Somebody stopped a digest for good."""

    digest: int


@dataclass(frozen=True)
class AlertOpened(Event):
    """Something needs a person."""

    alert: int


@dataclass(frozen=True)
class AlertClosed(Event):
    """What an alert told is over."""

    alert: int


@dataclass(frozen=True)
class FiguresChanged(Event):
    """The votes on a tool changed; the figures are those of the moment `at`, in ISO 8601."""

    tool: int
    ship: int
    skip: int
    at: str


@dataclass(frozen=True)
class PersonsErased(Event):
    """Readers were erased, or sign-ups forgotten: by the keyed hashes of their addresses, and as persons in deliveries.

    `table` and `after` say how far the texts of all tables have been searched for their addresses.
    """

    hashes: list[str]
    persons: list[str]
    at_once: bool = True
    """Whether the database file is rebuilt at once; else at night."""
    table: str = ""
    after: str = ""


@dataclass(frozen=True)
class TracesMasked(Event):
    """No row holds an erased address any more; copies may stand in unused parts of the database's file."""

    at_once: bool = True


@dataclass(frozen=True)
class ErasureWritten(Event):
    """The database's file holds no erased address any more; its write-ahead log may."""


@dataclass(frozen=True)
class FeedbackReceived(Event):
    """Something came back after a letter: a bounce, a complaint, a mail that unsubscribes; `event` is its raw event."""

    event: int


def from_payload(kind: str, payload: dict[str, Any]) -> Event:
    """The event of that kind; KeyError for a kind this release does not know, TypeError for wrong fields."""
    return Event.kinds[kind](**payload)
