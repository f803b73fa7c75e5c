"""Webhooks for the tests: what a receiver heard, and the lines that fan out and post, run until all is done."""

import json
from collections.abc import Collection
from typing import Any, NamedTuple

from db import moments
from db.operators.audit import Actor
from db.session import reading
from db.webhooks import messages, webhooks
from db.webhooks.event_types import TYPES
from db.webhooks.messages import Sent
from db.webhooks.webhooks import Webhook
from tests.outside_requests import make_all
from tests.receivers import Receiver
from web.actions import webhooks as actions
from web.actions.webhooks import Made
from worker.jobs import jobs

ADA = Actor("ada@newsroom.example")


class Heard(NamedTuple):
    """One request as the receiver got it."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


def heard(receiver: Receiver) -> list[Heard]:
    """Every request so far."""
    found = []
    for each in receiver.heard:
        head, _, body = each.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")[1:]
        found.append(
            Heard({name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}, body)
        )
    return found


def add(url: str, events: Collection[str] = tuple(TYPES), form: str = "event") -> Made:
    """Add a webhook."""
    return actions.add(ADA, url, form, events, moments.now())


def look(number: int) -> Webhook:
    with reading() as session:
        return webhooks.get(session, number)


def sent(number: int) -> list[Sent]:
    """What it was told, the oldest first."""
    with reading() as session:
        return messages.last(session, number, 100)[::-1]


def post_all() -> None:
    """Fan out what happened and post it."""
    while jobs.work_one():
        pass
    make_all()
