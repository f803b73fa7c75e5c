"""How fast votes are taken: by voter, and from one network as long as a voter is new."""

import time
from dataclasses import dataclass

from flask import current_app

from db.networks import network_of
from db.rules import CHANGES_PER_VOTER
from db.settings import settings
from web import limits, visitor
from web.limits import SlidingWindow

MINUTE = 60.0
_OF_VOTER = (
    "You’ve changed your votes often in the last minute, so this one wasn’t counted. Please try again in {wait}."
)
_OF_NETWORK = (
    "Many votes came from your network in the last minute, so yours wasn’t counted. Please try again in {wait}."
)


@dataclass(frozen=True, slots=True)
class VoteLimits:
    """This process's part of both limits."""

    voters: SlidingWindow
    networks: SlidingWindow


def _limits() -> VoteLimits:
    found = current_app.extensions.get("vote_limits")
    if found is None:
        made = VoteLimits(
            SlidingWindow(limits.share(CHANGES_PER_VOTER), MINUTE),
            SlidingWindow(limits.share(settings().votes_per_network), MINUTE),
        )
        found = current_app.extensions.setdefault("vote_limits", made)
    assert isinstance(found, VoteLimits)
    return found


def count_change(voter: str) -> None:
    """Count a vote that is cast, changed or withdrawn; answers 429 when this voter has done so too often."""
    wait = _limits().voters.take(voter, time.time())
    if wait:
        limits.refuse(wait, _OF_VOTER)


def count_new_voter() -> None:
    """Count a vote without a voter's cookie; answers 429 when too many came from the visitor's network.

    Whoever throws the cookie away after each vote is a new voter each time. Subscribers are never asked.
    """
    wait = _limits().networks.take(network_of(visitor.address()), time.time())
    if wait:
        limits.refuse(wait, _OF_NETWORK)
