"""How fast votes are taken: by voter, and from one network as long as a voter is new."""

from flask import current_app

from db import moments
from db.monitoring import heartbeats
from db.networks import network_of
from db.rules import CHANGES_PER_VOTER
from db.session import reading
from db.settings import settings
from web import limits, visitor
from web.limits import SlidingWindow

MINUTE = 60.0
SHARED_FOR = 10.0
"""Seconds for which a process goes on with its part; heartbeats come every five."""
_OF_VOTER = (
    "You’ve changed your votes too often in the last minute, so this one wasn’t counted. Please try again in {wait}."
)
_OF_NETWORK = (
    "Too many votes came from your network in the last minute, so yours wasn’t counted. Please try again in {wait}."
)


class VoteLimits:
    """This process's part of both limits; how many share them is asked now and then."""

    def __init__(self) -> None:
        self.voters, self.networks = SlidingWindow(0, MINUTE), SlidingWindow(0, MINUTE)
        self.shared_at = 0.0

    def share(self, now: float) -> None:
        """Divide both limits among the web processes of all hosts, unless that was done just now."""
        if 0 <= now - self.shared_at < SHARED_FOR:
            return
        processes = max(limits.web_processes(), _that_live())  # one that starts is there before its first heartbeat
        self.voters.most = limits.share(CHANGES_PER_VOTER, processes)
        self.networks.most = limits.share(settings().votes_per_network, processes)
        self.shared_at = now


def _that_live() -> int:
    with reading() as session:
        return sum(each.kind == "web" for each in heartbeats.running(session, moments.now()))


def _limits(now: float) -> VoteLimits:
    found = current_app.extensions.get("vote_limits") or current_app.extensions.setdefault("vote_limits", VoteLimits())
    assert isinstance(found, VoteLimits)
    found.share(now)
    return found


def count_change(voter: str) -> None:
    """Count a vote that is cast, changed or withdrawn; answers 429 when this voter has done so too often."""
    now = moments.now().timestamp()
    wait = _limits(now).voters.take(voter, now)
    if wait:
        limits.refuse(wait, _OF_VOTER)


def count_new_voter() -> None:
    """Count a vote without a voter's cookie; answers 429 when too many came from the visitor's network.

    Whoever throws the cookie away after each vote is a new voter each time. Subscribers are never asked.
    """
    now = moments.now().timestamp()
    wait = _limits(now).networks.take(network_of(visitor.address()), now)
    if wait:
        limits.refuse(wait, _OF_NETWORK)
