"""`verdicts subscribers`: the people who read the newsletter. Import and export are in subscriber_files.py."""

from typing import Any

import click

from db import addresses, moments, rules
from db.deliveries import tests_of_address
from db.rules import Refused
from db.session import reading
from db.subscribers import lists, suppressions
from db.subscribers import subscribers as room
from web.actions.subscribers import subscribers as actions
from web.actions.subscribers import timeline
from web.actions.subscribers.timeline import Timeline
from web.cli import Later, actor, as_json, dry_run_option, json_option, note_option, table

FILES = {
    "import": ("web.cli.subscriber_files", "import_"),
    "export": ("web.cli.subscriber_files", "export"),
    "suspected": ("web.cli.suspected", "suspected"),
}


@click.group(cls=Later, later=FILES)
def subscribers() -> None:
    """People: what is known of an address, and who must not be mailed."""


# ---- asking ------------------------------------------------------------------------------------------------


@subscribers.command(name="list")
@click.option("--state", type=click.Choice(lists.LISTS), help="Only those in this state.")
@click.option("--before", type=int, help="Only numbers below this one: the next page.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@json_option
def list_(state: str | None, before: int | None, limit: int, json: bool) -> None:
    """Subscribers, the newest first."""
    with reading() as session:
        found = lists.page(session, state, moments.now(), before=before, limit=limit)
        held = suppressions.suppressed(session, [each.address for each in found if each.address])
    names = ("id", "address", "state", "time_zone", "paused_until", "created_at", "confirmed_at")
    rows = [{name: getattr(each, name) for name in names} | {"suppressed": each.address in held} for each in found]
    if json:
        as_json(rows)
        return
    shown = [[row["id"], row["address"], row["state"], "suppressed" if row["suppressed"] else "",
              f"{row['created_at']:%Y-%m-%d}"] for row in rows]  # fmt: skip
    table(
        ("id", "address", "state", "", "since"),
        shown,
        "There are no subscribers." if state is None else f"Nobody is {state}.",
    )


@subscribers.command()
@click.argument("address")
@json_option
def show(address: str, json: bool) -> None:
    """One address: its state first, then its history, its letters, and whether the next digest comes."""
    with reading() as session:
        told = timeline.of(session, _known(session, address), moments.now())
        history = room.history(session, told.subscriber.id)
    who = told.subscriber
    if json:
        names = ("what", "at", "source", "words_version", "ip")
        as_json({"state": who.state, "address": who.address, "suppressed": told.suppression is not None,
                 "paused_until": who.paused_until, "confirmed_at": who.confirmed_at,
                 "history": [{name: getattr(entry, name) for name in names} for entry in history],
                 "story": told.as_json()})  # fmt: skip
        return
    click.echo(f"state: {who.state}")
    if told.suppression:
        click.echo("suppressed: yes")
    click.echo("History")
    for entry in history:
        words = f", to words {entry.words_version}" if entry.words_version else ""
        click.echo(f"  {entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.what} by {entry.source}{words}")
    _show_rest(told)


def _show_rest(told: Timeline) -> None:
    for heading, kinds in (("Letters", ("letter", "feedback")), ("Decisions", ("suppression", "order"))):
        events = [event for event in told.events if event.kind in kinds]
        if events:
            click.echo(heading)
        for event in events:
            why = ", ".join(f"{label} {value}" for label, value in event.open if label != "Message-ID")
            click.echo(f"  {event.at:%Y-%m-%d %H:%M:%S} UTC  {event.title}" + (f" ({why})" if why else ""))
    click.echo(f"Votes: {len(told.votes)}")
    click.echo(told.next_digest)


def _known(session: Any, address: str) -> int:
    found = room.by_address(session, address)
    if found is None:
        raise Refused(f"{address} has never been a subscriber here.")
    return found.id


# ---- suppressing -------------------------------------------------------------------------------------------


@subscribers.command()
@click.argument("named", metavar="ADDRESS…", nargs=-1, required=True)
@click.option("--note", help="Why; kept beside the address's hash and in the audit log.")
@dry_run_option
def suppress(named: tuple[str, ...], note: str | None, dry_run: bool) -> None:
    """Never mail these addresses again."""
    if dry_run:
        for address in named:
            addresses.normal(address)
        click.echo(f"{_count(len(named), 'address', 'addresses')} would be suppressed; nothing was done.")
        return
    actions.suppress(actor(), named, moments.now(), note)
    for address in named:
        click.echo(f"{address} is suppressed.")


@subscribers.command()
@click.argument("named", metavar="ADDRESS…", nargs=-1, required=True)
@note_option
@dry_run_option
def lift(named: tuple[str, ...], note: str | None, dry_run: bool) -> None:
    """Allow mail to suppressed addresses again; after a bounce, a complaint or an erasure, --note has to say why."""
    with reading() as session:
        held = {address: suppressions.of_address(session, address) for address in named}
    standing = {address: found for address, found in held.items() if found is not None}
    for address in held.keys() - standing.keys():
        click.echo(f"{address} is not suppressed.")
    if dry_run:
        for address, found in standing.items():
            click.echo(f"{address} would be lifted: {found.reason}, since {found.at:%Y-%m-%d}; "
                       f"lifted {rules.SUPPRESSIONS[found.reason].lifted}.")  # fmt: skip
        click.echo(f"{len(standing)} would be lifted; nothing was done.")
        return
    for address, found in standing.items():
        if rules.SUPPRESSIONS[found.reason].needs_note and not (note or "").strip():
            raise Refused(f"{address} has been suppressed since {found.at:%Y-%m-%d}, {found.reason}. Say why it may be "
                          f"mailed again: verdicts subscribers lift {address} --note WHY")  # fmt: skip
    actions.lift(actor(), [found.address_hash for found in standing.values()], moments.now(), note, as_admin=True)
    for address in standing:
        click.echo(f"{address} may be mailed again.")


# ---- erasing ----------------------------------------------------------------------------------------------


@subscribers.command()
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@note_option
@dry_run_option
def erase(address: str, yes: bool, note: str | None, dry_run: bool) -> None:
    """Erase whoever has an address: a reader, or somebody who only got test letters. This cannot be undone.

    Only a keyed hash of the address stays, on the suppression list. Letters in a Maildir, texts that quote the address
    and the database's own files are overwritten by a job (PersonsErased), which is tried until it has succeeded.
    """
    would = _would_forget(address)
    if dry_run:
        click.echo(would)
        return
    if not yes:
        click.confirm(f"Erase {address}? This cannot be undone.", abort=True)
    actions.erase_address(actor(), address, moments.now(), note)
    click.echo(
        f"{address} is erased. A job removes what else quotes the address, and is retried until it has succeeded."
    )


def _would_forget(address: str) -> str:
    """What would be erased. Raises Refused if nothing is known of the address."""
    with reading() as session:
        tests = tests_of_address.number(session, addresses.normal(address))
        if tests and room.by_address(session, address) is None:
            what = "one test letter" if tests == 1 else f"{tests} test letters"
            return f"Would be erased: {what}. No subscriber has this address."
        told = timeline.of(session, _known(session, address), moments.now())
    letters = sum(event.kind == "letter" for event in told.events) + told.older_letters
    return (f"Would be erased: subscriber {told.subscriber.id} ({told.subscriber.state}), with "
            f"{_count(len(told.votes), 'vote', 'votes')} and what mail servers said about "
            f"{_count(letters, 'letter', 'letters')}.")  # fmt: skip


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
