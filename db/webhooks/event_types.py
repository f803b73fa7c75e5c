"""The types of events that webhooks may hear, each with what it tells."""

from collections.abc import Mapping
from types import MappingProxyType

TYPES: Mapping[str, str] = MappingProxyType(
    {
        "alert.opened": "something needs a person",
        "alert.closed": "what needed a person is over",
        "comparison.published": "readers can open a new comparison",
        "digest.frozen": "a digest’s content and audience are fixed, and it begins to go out",
        "digest.finished": "nothing of a digest is waiting or in doubt any more",
        "digest.cancelled": "somebody stopped a digest for good",
        "subscription.confirmed": "a reader confirmed their subscription",
        "subscription.ended": "a subscriber left, or was erased",
        "figures.changed": "the votes on a tool changed; at most once a minute for each tool",
    }
)

TEST = "webhook.test"
"""What “Send a test” tells; nobody has to choose it."""
