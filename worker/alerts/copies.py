"""What operators are told of a database that is a copy: it sends nothing until somebody confirms it."""

from collections.abc import Iterator
from datetime import datetime

from db import guard
from db.monitoring.alerts import Condition
from db.session import Session


def unconfirmed_copy(session: Session, now: datetime) -> Iterator[Condition]:  # noqa: ARG001
    """The guard that stands. No letter tells of it, since none is sent meanwhile; the console does."""
    if found := guard.standing(session):
        yield Condition(
            f"copy:{found.id}", "copy", "This database is a copy, and nothing is sent from it",
            (found.told, "Votes are counted meanwhile; digests, letters, jobs and webhooks wait."), "/operator",
        )  # fmt: skip
