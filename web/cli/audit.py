"""`verdicts audit`: who did what, and why."""

from datetime import UTC, datetime
from typing import Any

import click

from db.operators import audit as audit_log
from db.operators.audit import AuditEntry, AuditFilter
from db.session import reading
from db.settings import settings
from web.cli import as_json, json_option, table


@click.group()
def audit() -> None:
    """The audit log; nothing in it can be changed."""


@audit.command(name="list")
@click.option("--actor", help="Who did it: an operator's address, or `command: NAME`.")
@click.option("--action", help="An action such as jobs.retry, or all that begin so: `jobs.`")
@click.option("--about", help="What it was about, such as `digest 2026-W47`.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="From this time on, in the newsletter's zone."
)
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="Before this time, in the newsletter's zone."
)
@click.option("--before", type=int, help="Entries with a lower number; for the next page, the last number shown.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1))
@json_option
def list_(
    actor: str | None, action: str | None, about: str | None, since: datetime | None, until: datetime | None,
    before: int | None, limit: int, json: bool,
) -> None:  # fmt: skip
    """Audit entries, newest first."""
    wanted = AuditFilter(actor, action, about, _moment(since), _moment(until))
    with reading() as session:
        found = audit_log.listed(session, wanted, limit, before)
    if json:
        as_json([_row(one) for one in found])
        return
    columns = ("number", "at (UTC)", "who", "action", "about", "count", "note")
    rows = [
        (one.id, f"{one.at:%Y-%m-%d %H:%M:%S}", one.actor, one.action, one.about, one.count, one.note) for one in found
    ]
    table(columns, rows, "No entry matches.")


def _moment(given: datetime | None) -> datetime | None:
    return given.replace(tzinfo=settings().digest_timezone).astimezone(UTC) if given else None


def _row(one: AuditEntry) -> dict[str, Any]:
    names = ("id", "at", "actor", "ip", "action", "about", "chosen_by", "count", "affected", "before", "after", "note")
    return {name: getattr(one, name) for name in names}
