"""`verdicts digest`: the weekly digest by hand."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from db import deliveries, digests, relays, schedule
from db.deliveries import Account
from db.digests import Digest
from db.session import reading
from web.cli import actor, as_json, dry_run_option, json_option, note_option, table
from web.cli.queues import say_paused
from web.orders import digests as orders
from worker import digests as run


def _this_week() -> str:
    return schedule.of_digests().slot_of(datetime.now(UTC))


slot_argument = click.argument("slot", metavar="SLOT")
this_week = click.argument("slot", metavar="[SLOT]", required=False)


@click.group()
def digest() -> None:
    """The weekly digest: one a slot, which is an ISO week such as 2026-W47."""


@digest.command(name="list")
@json_option
def list_(json: bool) -> None:
    """Digests, newest first."""
    with reading() as session:
        rows = [_head(each) for each in digests.listed(session)]
    if json:
        as_json(rows)
        return
    columns = ("slot", "state", "due_at", "audience", "subject", "reason")
    table(columns, [[row[column] for column in columns] for row in rows], "There is no digest yet.")


def _head(found: Digest) -> dict[str, Any]:
    names = (
        "slot",
        "state",
        "reason",
        "due_at",
        "frozen_at",
        "cutoff",
        "finished_at",
        "audience",
        "subject",
        "renderer",
    )
    return {name: getattr(found, name) for name in (*names, "html_sha256", "text_sha256")}


def _account(slot: str, *, proven: bool = False) -> tuple[Digest, Account]:
    with reading(snapshot=True) as session:
        found = digests.get(session, slot)
        return found, (deliveries.account if proven else deliveries.progress)(session, found)


def _print_account(found: Digest, account: Account) -> None:
    click.echo(f"state: {found.state}" + (f" ({found.reason})" if found.reason else ""))
    click.echo(f"audience {account.audience}")
    if account.unaddressed:
        click.echo(f"unaddressed {account.unaddressed}")
    for state, number in account.states.items():
        click.echo(f"{state} {number}")


@digest.command()
@slot_argument
@json_option
def show(slot: str, json: bool) -> None:
    """One digest: its state, and how many letters are in each."""
    found, account = _account(slot)
    if json:
        as_json({**_head(found), "rows": account.rows, "unaddressed": account.unaddressed, **account.states})
        return
    _print_account(found, account)
    click.echo(f"due: {found.due_at:%Y-%m-%d %H:%M} UTC")
    if found.subject:
        click.echo(f"subject: {found.subject}")
    say_paused()
    if found.state == "sending":
        for sentence in _refusals():
            click.echo(f"! {sentence}")


def _refusals() -> list[str]:
    """What keeps letters waiting: each mail server or domain that refuses everybody, in its own words."""
    with reading() as session:
        shut = relays.all_open(session)
    return [
        f"{relay.name} refuses since {relay.since:%Y-%m-%d %H:%M} UTC: {relay.reply}; "
        f"tried again at {relay.open_until:%H:%M:%S} UTC"
        for relay in shut
    ]


@digest.command()
@slot_argument
@json_option
def check(slot: str, json: bool) -> None:
    """Prove the account: the audience at the freeze, the rows, the sum of the states. Exit code 1 if not."""
    found, account = _account(slot, proven=True)
    if json:
        as_json({"slot": slot, "state": found.state, "holds": account.holds, "audience": account.audience,
                 "rows": account.rows, "unaddressed": account.unaddressed, **account.states})  # fmt: skip
    else:
        _print_account(found, account)
        counted = f"audience {account.audience}, rows {account.rows}, states {sum(account.states.values())}"
        click.echo("✓ The account holds" if account.holds else f"✕ The account is off: {counted}")
    sys.exit(0 if account.holds else 1)


@digest.command()
@this_week
@note_option
def assemble(slot: str | None, note: str | None) -> None:
    """Open the slot's draft, or assemble it again; without SLOT this ISO week's."""
    found = orders.assemble(actor(), slot or _this_week(), datetime.now(UTC), note=note)
    compared = len(found.content["comparisons"]) if found.content else 0
    click.echo(f"{found.slot} is a {found.state} of {compared} comparison{'' if compared == 1 else 's'}.")


@digest.command()
@slot_argument
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="The folder.")
def preview(slot: str, folder: Path) -> None:
    """Write the letter's HTML and text parts into a folder, as one reader would see them."""
    letter = run.draft_letter(slot, datetime.now(UTC))
    seen = letter.filled(dict.fromkeys(letter.marks, "PREVIEW") | {"SINCE": "1 January 2026"})
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in (("html", seen.html), ("txt", seen.text)):
        path = folder / f"{slot}.{name}"
        path.write_text(body, encoding="utf-8")
        click.echo(f"{path} ({len(body.encode()) / 1024:.1f} KiB)")
    click.echo(f"subject: {letter.subject}")


@digest.command()
@slot_argument
@click.argument("address")
@note_option
def test(slot: str, address: str, note: str | None) -> None:
    """Send the letter, marked as a test, to one address."""
    orders.send_test(actor(), slot, address, datetime.now(UTC), note=note)
    click.echo(f"A test of {slot} is on its way to {address}.")


@digest.command()
@this_week
@click.option("--late", is_flag=True, help="Send it though it is later than DIGEST_LATENESS allows.")
@dry_run_option
@note_option
def send(slot: str | None, late: bool, dry_run: bool, note: str | None) -> None:
    """Freeze the digest now and hand it to the workers; without SLOT this ISO week's."""
    slot = slot or _this_week()
    if dry_run:
        click.echo(_would_send(slot, late))
        return
    found, gone = orders.send(actor(), slot, datetime.now(UTC), late=late, note=note)
    if gone:
        click.echo(f"{slot}: has gone already; it is {found.state}.")
    elif found.state == "skipped":
        click.echo(f"{slot}: skipped, {found.reason}.")
    else:
        click.echo(f"{slot}: frozen for {_people(found.audience or 0)}; the workers send it.")


def _would_send(slot: str, late: bool) -> str:
    with reading() as session:
        found = digests.by_slot(session, slot)
    if found and found.state in run.GONE:
        return f"{slot}: has gone already; it is {found.state}."
    return f"{slot}: would be frozen for {_people(orders.to_send(slot, datetime.now(UTC), late))}; nothing was done."


def _people(number: int) -> str:
    return f"{number} {'person' if number == 1 else 'people'}"


def _order(name: str, help_text: str) -> None:
    @digest.command(name=name, help=help_text)
    @slot_argument
    @click.option("--reason", help="Why; kept on the digest.")
    @note_option
    def order(slot: str, reason: str | None, note: str | None) -> None:
        found = orders.move(actor(), slot, name, datetime.now(UTC), reason=reason, note=note)
        click.echo(f"{slot} is {found.state}.")


_order("hold", "Keep a draft from being sent until it is released.")
_order("release", "Let a held draft go; late, if it is late, within DIGEST_LATENESS.")
_order("skip", "Send nothing for this slot.")
_order("pause", "Stop sending; letters already begun arrive.")
_order("resume", "Go on sending.")


@digest.command()
@slot_argument
@click.option("--reason", help="Why; kept on the digest.")
@dry_run_option
@note_option
def cancel(slot: str, reason: str | None, dry_run: bool, note: str | None) -> None:
    """Stop for good: what is not sent is cancelled."""
    if dry_run:
        with reading() as session:
            number = orders.to_cancel(session, slot)
        letters = "letter" if number == 1 else "letters"
        click.echo(f"{slot}: {number} {letters} would be cancelled; nothing was done.")
        return
    orders.cancel(actor(), slot, datetime.now(UTC), reason=reason, note=note)
    click.echo(f"{slot} is cancelled.")


@digest.command()
@slot_argument
def watch(slot: str) -> None:
    """Show progress, rate and the time left, until the digest is finished."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
               TimeRemainingColumn())  # fmt: skip
    began, first = time.monotonic(), None
    with Progress(*columns, refresh_per_second=1) as bar:
        task = bar.add_task(slot, total=None, rate="")
        while True:
            before = time.monotonic()
            found, account = _account(slot)
            asked = time.monotonic() - before
            done = account.audience - account.unaddressed - sum(account.states[s] for s in ("pending", "sending"))
            first = done if first is None else first
            rate = (done - first) / max(time.monotonic() - began, 1e-9)
            bar.update(task, total=account.audience, completed=done, description=f"{slot} {found.state}",
                       rate=f"{rate:,.0f}/s")  # fmt: skip
            if found.state not in ("frozen", "sending", "paused"):
                break
            # Counting a million letters takes a while; asked for a fiftieth of the time, it hardly costs the send.
            time.sleep(max(1.0, 50 * asked))
    _print_account(found, account)
