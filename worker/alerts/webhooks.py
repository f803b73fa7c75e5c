"""What operators are told about webhooks: one that failed for a day, or whose server is gone, is told nothing more."""

from collections.abc import Iterator
from datetime import datetime

from db.monitoring.alerts import Condition
from db.session import Session
from db.webhooks import webhooks


def disabled_webhooks(session: Session, now: datetime) -> Iterator[Condition]:  # noqa: ARG001
    """Webhooks that were disabled because they failed; until an admin enables or removes them."""
    for each in webhooks.given_up(session):
        yield Condition(
            f"webhook:{each.id}", "webhook", f"Webhook {each.id} ({each.origin}) is disabled",
            (each.reason or "", "Mend what is wrong there and enable it again, or remove it."),
            f"/operator/webhooks/{each.id}",
        )  # fmt: skip
