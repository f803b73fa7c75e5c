"""`verdicts jobs pause`, `resume` and `queues`: which queues are paused, what waits in them, and for how long."""

from datetime import datetime
from typing import Any

import click

from db import moments
from db.monitoring import backlog
from db.monitoring.backlog import MOST, Backlog
from db.session import reading
from db.values import duration
from web.actions import queues as actions
from web.cli import actor, as_json, json_option, note_option, table

queue_argument = click.argument("queue", metavar="QUEUE")


@click.command()
@json_option
def queues(json: bool) -> None:
    """The queues: how much waits in each, since when, how fast it goes, and what is paused."""
    now = moments.now()
    with reading() as session:
        found, rates = backlog.all_queues(session, now), backlog.rates(session, now)
    rows = [_row(each, rates[each.queue]) for each in found]
    if json:
        as_json(rows)
        return
    say_paused()
    drawn = [
        [
            each.queue,
            "paused" if each.pause else "open",
            waiting(each),
            duration(now - each.oldest) if each.oldest else "",
            f"{row['rate']:.1f}/s",
        ]
        for each, row in zip(found, rows, strict=True)
    ]
    table(("queue", "state", "waiting", "oldest", "rate"), drawn, "There are no queues.")


def _row(each: Backlog, rate: float) -> dict[str, Any]:
    held = each.pause
    paused = {"at": held.at, "by": held.actor, "reason": held.reason} if held else None
    return {
        "queue": each.queue, "paused": paused, "waiting": each.waiting, "more": each.many, "oldest": each.oldest,
        "rate": round(rate, 3),
    }  # fmt: skip


@click.command()
@queue_argument
@click.option("--reason", required=True, help="Why; shown on every page of the console.")
def pause(queue: str, reason: str) -> None:
    """Pause a queue: votes, jobs, mail or outside. Work that has begun is finished, within ten seconds."""
    actions.pause(actor(), queue, reason, moments.now())
    click.echo(f"Queue {queue} is paused.{actions.GOES_ON.get(queue, '')}")


@click.command()
@queue_argument
@note_option
def resume(queue: str, note: str | None) -> None:
    """Resume a paused queue."""
    actions.resume(actor(), queue, moments.now(), note)
    click.echo(f"Queue {queue} goes on.")


# ---- in words ------------------------------------------------------------------------------------------------


def say_paused() -> None:
    """Print a line for each paused queue, before a command's own output."""
    for sentence in paused_in_words():
        click.echo(f"! {sentence}")


def paused_in_words() -> list[str]:
    """Such as: Queue mail is paused since 2026-11-17 08:52 UTC by command: mara: relay moves. 312 wait, …"""
    now = moments.now()
    with reading() as session:
        standing = backlog.standing(session, now)
    return [_standing(each, now) for each in standing]


def _standing(each: Backlog, now: datetime) -> str:
    held = each.pause
    assert held is not None
    since = f"Queue {each.queue} is paused since {held.at:%Y-%m-%d %H:%M} UTC by {held.actor}: {held.reason}"
    oldest = f", the oldest for {duration(now - each.oldest)}" if each.oldest else ""
    return f"{since.rstrip('.')}. {waiting(each)} wait{'s' if each.waiting == 1 else ''}{oldest}."


def waiting(each: Backlog) -> str:
    return f"more than {MOST:,}" if each.many else f"{each.waiting:,}"
