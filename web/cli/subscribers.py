"""`verdicts subscribers`: who reads the letter."""

from datetime import UTC, datetime

import click

from db import subscribers as room
from db.rules import Refused
from db.session import reading, writing
from web.cli import as_json, json_option


@click.group()
def subscribers() -> None:
    """People: what is known of an address, and who must not be mailed."""


@subscribers.command()
@click.argument("address")
@json_option
def show(address: str, json: bool) -> None:
    """One address: its state first, then its history."""
    with reading() as session:
        found = room.by_address(session, address)
        if found is None:
            raise Refused(f"{address} has never been a subscriber here.")
        history = room.history(session, found.id)
        listed = bool(room.suppressed(session, [found.address or ""]))
    if json:
        names = ("what", "at", "source", "words_version", "ip")
        as_json({"state": found.state, "address": found.address, "suppressed": listed,
                 "paused_until": found.paused_until, "confirmed_at": found.confirmed_at,
                 "history": [{name: getattr(entry, name) for name in names} for entry in history]})  # fmt: skip
        return
    click.echo(f"state: {found.state}")
    if listed:
        click.echo("suppressed: yes")
    click.echo("History")
    for entry in history:
        words = f", to words {entry.words_version}" if entry.words_version else ""
        click.echo(f"  {entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.what} by {entry.source}{words}")


@subscribers.command()
@click.argument("address")
@click.option("--note", help="Why; kept beside the address's hash.")
def suppress(address: str, note: str | None) -> None:
    """Mail this address never again."""
    with writing() as session:
        room.suppress(session, address, "by hand", datetime.now(UTC), note)
    click.echo(f"{address} is suppressed.")
