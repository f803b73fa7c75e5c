"""`verdicts digest`: the state of the weekly digest. The commands that change it are in digest_actions.py."""

import sys
import time
from typing import Any

import click

from db import moments, rules
from db.deliveries import accounts
from db.deliveries.accounts import Account
from db.deliveries.limits import breakers, stops
from db.digests import digests
from db.digests.digests import Digest
from db.feedback import feedback
from db.session import reading
from web.actions.digests import send_time
from web.actions.subscribers import came_back
from web.cli import Later, as_json, json_option, table
from web.cli.queues import say_paused

slot_argument = click.argument("slot", metavar="SLOT")
KEPT = rules.RETENTION["deliveries"].until
ACTIONS = ("assemble", "preview", "test", "send", "hold", "release", "skip", "pause", "resume", "cancel")


@click.group(cls=Later, later={name: ("web.cli.digest_actions", name) for name in ACTIONS})
def digest() -> None:
    """The weekly digest: one for each slot, which is an ISO week such as 2026-W47."""


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
        return found, (accounts.account if proven else accounts.progress)(session, found)


def _print_account(found: Digest, account: Account) -> None:
    click.echo(f"state: {found.state}" + (f" ({found.reason})" if found.reason else ""))
    click.echo(f"audience {account.audience}")
    if account.unaddressed:
        click.echo(f"unaddressed {account.unaddressed}")
    for state, number in account.states.items():
        click.echo(f"{state} {number}")
    if account.removed:
        click.echo(f"removed {account.removed} (deliveries are kept for {KEPT}; this is the final account)")


@digest.command()
@slot_argument
@json_option
def show(slot: str, json: bool) -> None:
    """One digest: its state, and how many of its letters are in which state."""
    found, account = _account(slot)
    with reading() as session:
        back = feedback.counts(session, found.id)
    if json:
        as_json({**_head(found), "rows": account.rows, "unaddressed": account.unaddressed, **account.states,
                 "came_back": back})  # fmt: skip
        return
    _print_account(found, account)
    if back:
        click.echo(f"came back: {came_back.of_many(back)}")
    click.echo(f"due: {found.due_at:%Y-%m-%d %H:%M} UTC")
    if found.subject:
        click.echo(f"subject: {found.subject}")
    say_paused()
    if found.state == "sending":
        for sentence in filter(None, (_waits_for_a_day(found), *_refusals(), *_held())):
            click.echo(f"! {sentence}")


def _waits_for_a_day(found: Digest) -> str | None:
    """That SEND_DAILY is reached and when the next letters go out, if this digest waits for that."""
    with reading() as session:
        at = send_time.goes_on_at(session, found, moments.now())
    return f"SEND_DAILY is reached: sending resumes by itself at {at:%Y-%m-%d %H:%M} UTC" if at else None


def _held() -> list[str]:
    """Why letters to a domain wait until somebody releases it."""
    with reading() as session:
        found = [stop for stop, _ in stops.standing_stops(session) if stop.domain]
    return [
        f"all letters to {stop.domain} are held: {stops.in_words(stop.rule, stop.domain, stop.refused, stop.letters)}; "
        f"to send them: verdicts deliveries release {stop.domain} --reason WHY"
        for stop in found
    ]


def _refusals() -> list[str]:
    """Why letters wait: a sentence for each open circuit breaker, with the mail server's reply."""
    with reading() as session:
        shut = breakers.open_breakers(session)
    return [
        f"{breaker.server} has refused mail since {breaker.since:%Y-%m-%d %H:%M} UTC: {breaker.reply}; "
        f"the next try is at {breaker.open_until:%H:%M:%S} UTC"
        for breaker in shut
    ]


@digest.command()
@slot_argument
@json_option
def check(slot: str, json: bool) -> None:
    """Check that audience, number of letters and sum over their states are equal. Exit code 1 if they are not."""
    found, account = _account(slot, proven=True)
    if json:
        as_json({"slot": slot, "state": found.state, "holds": account.holds, "audience": account.audience,
                 "rows": account.rows, "unaddressed": account.unaddressed, **account.states})  # fmt: skip
    else:
        _print_account(found, account)
        counted = f"audience {account.audience}, rows {account.rows}, states {sum(account.states.values())}"
        click.echo("✓ Totals match" if account.holds else f"✕ Totals do not match: {counted}")
    sys.exit(0 if account.holds else 1)


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
            shown = ", ".join(filter(None, (f"{slot} {found.state}", _waits_for_a_day(found))))
            bar.update(task, total=account.audience, completed=done, description=shown, rate=f"{rate:,.0f}/s")
            if found.state not in ("frozen", "sending", "paused"):
                break
            # Counting a million letters takes a while; at a fiftieth of the time, counting hardly slows the send down.
            time.sleep(max(1.0, 50 * asked))
    _print_account(found, account)
