"""How often one network may sign up: counted in the database over all hosts, and refused from memory once it is over.

All sign-ups count, whether they bring a letter or not, so that the answer tells nothing about an address. What one
mailbox gets is limited in db/subscribers/subscriptions.py, where the page stays as it is and the letter stays away.
"""

from datetime import datetime

from flask import current_app

from db import limits as shared
from db.networks import network_of
from db.rules import NETWORK_SPAN
from db.session import Session
from db.settings import settings
from web import limits, visitor
from web.limits import Refusals

_OFTEN = (
    "Too many sign-ups came from your network in the last hour, so we didn’t take this one. Please try again in {wait}."
)


def _refusals() -> Refusals:
    made = Refusals(NETWORK_SPAN.total_seconds())
    found = current_app.extensions.setdefault("sign_up_refusals", made)
    assert isinstance(found, Refusals)
    return found


def refuse_again(now: datetime) -> None:
    """Answer 429 from memory to a network that the database refused, until it would be let through."""
    wait = _refusals().wait(network_of(visitor.address()), now.timestamp())
    if wait:
        limits.refuse(wait, _OFTEN)


def count(session: Session, now: datetime) -> None:
    """Count this sign-up for the visitor's network; answers 429 when it had SIGNUPS_PER_NETWORK in an hour."""
    most = settings().signups_per_network
    if not most:
        return
    network = network_of(visitor.address())
    bucket = shared.lock(session, "network", network, NETWORK_SPAN, now)
    wait = bucket.wait(most, NETWORK_SPAN, now)
    if wait:
        _refusals().keep(network, (now + wait).timestamp())
        limits.refuse(wait.total_seconds(), _OFTEN)
    bucket.take(NETWORK_SPAN, now)
