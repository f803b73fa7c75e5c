"""A digest that brought a reader vote links, for tests of the pages behind them."""

from datetime import datetime

from sqlalchemy import select

from db import moments
from db.deliveries import deliveries
from db.deliveries.deliveries import Delivery
from db.digests import digests
from db.digests.catalog import Tool
from db.persons import person_of
from db.session import writing

SLOT = "2026-W47"


def delivered_to(subscriber: int, now: datetime | None = None) -> int:
    """The delivery of a digest with all tools of the catalog to this subscriber, made if there is none yet."""
    now, person = now or moments.now(), person_of(subscriber)
    with writing() as session:
        digest = digests.open_slot(session, SLOT, now, now)
        digest.tool_ids = digest.tool_ids or list(session.scalars(select(Tool.id)))
        session.flush()
        deliveries.owe(session, "digest", digest.id, person, now)
        theirs = Delivery.letter == "digest", Delivery.about == digest.id, Delivery.person == person
        return session.scalars(select(Delivery.id).where(*theirs)).one()
