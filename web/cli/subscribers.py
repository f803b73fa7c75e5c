"""`verdicts subscribers`: who reads the letter."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from db import deliveries, votes
from db import subscribers as room
from db.rules import Refused
from db.session import reading, writing
from web import people
from web.cli import as_json, fail, json_option


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


@subscribers.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--consent", required=True, help="How they gave their consent; kept as proof with each of them.")
def import_(file: Path, consent: str) -> None:
    """Import people from a CSV file: a header line, a column email, optionally time_zone.

    Nothing is imported when anything in the file is wrong. Whoever left, was erased or is suppressed is not brought
    back, and is listed.
    """
    from rich.console import Console
    from rich.progress import Progress

    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            bar.add_task("Checking", total=None)
            number = people.check(file)
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Importing", total=number)
            done, refused = people.load(file, consent, datetime.now(UTC), lambda more: bar.advance(task, more))
    except people.BadPeople as bad:
        fail("nobody was imported.\n" + "\n".join(bad.problems))
    for line in refused:
        click.echo(f"not brought back: {line}")
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in sorted(done.items())) or "The file names nobody.")


@subscribers.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file; without it, standard output.")
def export(out: Path | None) -> None:
    """Write everybody whose address is known as CSV."""
    if out is None:
        people.save(sys.stdout)
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        click.echo(f"{people.save(file)} written to {out}")


@subscribers.command()
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(address: str, yes: bool) -> None:
    """Forget an address: of it remains a keyed hash in the suppression list. This cannot be taken back."""
    if not yes:
        click.confirm(f"Forget {address} for ever?", abort=True)
    now = datetime.now(UTC)
    with writing() as session:
        found = room.by_address(session, address)
        if found is None:
            raise Refused(f"{address} has never been a subscriber here.")
        person = f"subscriber:{found.id}"
        room.erase(session, found.id, now)  # before the votes: a freeze holds subscribers when it comes to fold them
        votes.withdraw_all(session, person, now)
        deliveries.forget(session, person)
    click.echo(f"{address} is forgotten.")
