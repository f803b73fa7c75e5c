"""`verdicts deliveries`: who got what, why, and what to do about it."""

from typing import Any

import click

from db import moments, rules
from db.deliveries import deliveries as deliveries_ledger
from db.deliveries import exceptions
from db.deliveries.deliveries import Delivery
from db.deliveries.exceptions import NONE, RETRIED, DeliveryFilter
from db.digests import digests
from db.session import reading
from web.actions.digests import deliveries as actions
from web.cli import Later, actor, as_json, ask, counting, dry_run_option, json_option, note_option, table, yes_option


class Code(click.ParamType[Any]):
    """A code of the mail server (RFC 5321 4.2), or the word none."""

    name = "CODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == NONE or isinstance(value, int):
            return value
        if not (value.isdecimal() and len(value) == 3):
            self.fail(
                f"{value!r} is not a mail server's reply code; write three digits such as 550, or none.", param, ctx
            )
        return int(value)


code_option = click.option("--code", type=Code(), help="Only letters with this reply code; none: without one.")
reason_option = click.option("--reason", help="Only letters with this reason; none: without one.")


KEPT = rules.RETENTION["deliveries"].until
LATER = {name: ("web.cli.held_domains", name) for name in ("held", "release")} | {
    "show": ("web.cli.delivery", "show"),
    "explain": ("web.cli.explain", "explain"),
}


@click.group(cls=Later, later=LATER)
def deliveries() -> None:
    """Deliveries: every letter to every person."""


@deliveries.command(name="list")
@click.argument("slot")
@click.option("--state", type=click.Choice(deliveries_ledger.STATES), help="Only those in this state.")
@code_option
@reason_option
@json_option
def list_(slot: str, state: str | None, code: Any, reason: str | None, json: bool) -> None:
    """A digest's deliveries, with addresses and the mail server's words."""
    chosen = DeliveryFilter((state,) if state else (), code, reason)
    with reading() as session:
        found = digests.get(session, slot)
        rows = [row_of(each, address) for each, address in exceptions.listed(session, found, chosen)]
    if json:
        as_json(rows)
        return
    columns = ("id", "address", "state", "tries", "reason", "reply")
    if found.removed:
        click.echo(f"{found.removed:,} deliveries of {slot} were removed: they are kept for {KEPT}.")
    none = f"No delivery of {slot} matches." if state or code or reason else f"{slot} has no deliveries."
    table(columns, [[row[column] for column in columns] for row in rows], none)


def row_of(each: Delivery, address: str | None) -> dict[str, Any]:
    names = (
        "id",
        "letter",
        "person",
        "state",
        "reason",
        "tries",
        "code",
        "reply",
        "not_before",
        "created_at",
        "settled_at",
    )
    return {"address": address} | {name: getattr(each, name) for name in names}


@deliveries.command()
@click.argument("slot")
@click.option("--sent", "choice", flag_value="sent", help="They arrived: count them as sent.")
@click.option("--resend", "choice", flag_value="resend", help="Send them again; whoever got one may get a second.")
@reason_option
@dry_run_option
@yes_option
@note_option
def resolve(slot: str, choice: str | None, reason: str | None, dry_run: bool, yes: bool, note: str | None) -> None:
    """Decide whether a digest's unknown letters count as sent or are sent again."""
    if choice is None:
        raise click.UsageError("Say what became of them: --sent or --resend.")
    chosen = DeliveryFilter(("unknown",), reason=reason)
    if dry_run:
        click.echo(f"{_letters(actions.count(slot, chosen), 'unknown ')} chosen; nothing was done.")
        return
    ask(lambda: _resolving(actions.count(slot, chosen), choice), yes)
    with counting("letters", lambda: actions.count(slot, chosen)) as said:
        number = actions.resolve(actor(), slot, choice == "sent", moments.now(), chosen, note=note, on_page=said)
    became = "counted as sent." if choice == "sent" else "queued to be sent again."
    click.echo(f"{_letters(number, 'unknown ')} {became}")


def _resolving(number: int, choice: str) -> str:
    letters = f"{number} unknown {'letter' if number == 1 else 'letters'}"
    if choice == "sent":
        return f"{letters} will count as sent. Anyone who did not get theirs will not get another."
    return f"{letters} will be sent again. Anyone who did get theirs gets a second."


@deliveries.command()
@click.argument("slot")
@click.option("--state", type=click.Choice(RETRIED), help="Only letters in this state; without it, both states.")
@code_option
@reason_option
@dry_run_option
@note_option
def retry(slot: str, state: str | None, code: Any, reason: str | None, dry_run: bool, note: str | None) -> None:
    """Send a digest's failed and deferred letters again, now."""
    chosen = DeliveryFilter((state,) if state else RETRIED, code, reason)
    if dry_run:
        click.echo(f"{_letters(actions.count(slot, chosen))} chosen; nothing was done.")
        return
    with counting("letters", lambda: actions.count(slot, chosen)) as said:
        number = actions.retry(actor(), slot, moments.now(), chosen, note=note, on_page=said)
    click.echo(f"{_letters(number)} queued to be sent again.")


def _letters(number: int, kind: str = "") -> str:
    return f"{number} {kind}{'letter is' if number == 1 else 'letters are'}"
