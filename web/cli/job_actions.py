"""`verdicts jobs retry`, `discard` and the other commands that change jobs."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import click

from db import moments
from db.jobs import filters
from db.jobs.filters import JobFilter
from db.operators import audit
from db.session import reading
from web.actions import Progress
from web.actions import jobs as actions
from web.cli import actor, counting, dry_run_option, note_option
from web.cli.job_filter_options import chosen_by, ids_argument, many


@click.command()
@many("dead")
@click.option("--rate", default=actions.RATE, show_default=True, help="How many jobs may start in a second.")
@note_option
@dry_run_option
def retry(ids: tuple[int, ...], everything: bool, rate: float, note: str | None, dry_run: bool, **given: Any) -> None:
    """Give jobs six more attempts; earlier ones keep their tracebacks. Jobs given by number start at once."""
    now = moments.now()
    chosen = _choose("retry", "dead", ids, everything, **given)
    if dry_run:
        _say_what("retry", ids, chosen, now)
    elif chosen is None:
        click.echo(_owed_again(len(actions.retry(actor(), ids, now, note))))
    else:
        met = _all(
            "retry", chosen, now, lambda asked, told: actions.retry_matching(actor(), asked, now, note, rate, told)
        )
        click.echo(_owed_again(met))
        if met > rate:
            last = now + timedelta(seconds=(met - 1) / rate)
            click.echo(f"They are released {rate:g} a second, the last one at {last:%H:%M:%S} UTC.")


def _owed_again(number: int) -> str:
    return f"{number} {'job is' if number == 1 else 'jobs are'} owed again."


@click.command()
@many("dead")
@click.option("--reason", required=True, help="Why; kept on the job.")
@dry_run_option
def discard(ids: tuple[int, ...], everything: bool, reason: str, dry_run: bool, **given: Any) -> None:
    """Give jobs up, with a reason; `restore` undoes it."""
    now = moments.now()
    chosen = _choose("discard", "dead", ids, everything, **given)
    if dry_run:
        _say_what("discard", ids, chosen, now)
    elif chosen is None:
        click.echo(f"{len(actions.discard(actor(), ids, reason, now))} discarded.")
    else:
        met = _all("discard", chosen, now, lambda f, told: actions.discard_matching(actor(), f, reason, now, told))
        click.echo(f"{met} discarded.")


@click.command()
@many("discarded")
@note_option
@dry_run_option
def restore(ids: tuple[int, ...], everything: bool, note: str | None, dry_run: bool, **given: Any) -> None:
    """Undo a discard: the job is dead again, and can be retried."""
    now = moments.now()
    chosen = _choose("restore", "discarded", ids, everything, **given)
    if dry_run:
        _say_what("restore", ids, chosen, now)
    elif chosen is None:
        click.echo(f"{len(actions.restore(actor(), ids, now, note))} restored.")
    else:
        met = _all("restore", chosen, now, lambda f, told: actions.restore_matching(actor(), f, now, note, told))
        click.echo(f"{met} restored.")


@click.command()
@ids_argument
@note_option
def stop(ids: tuple[int, ...], note: str | None) -> None:
    """Stop trying jobs that wait for another attempt: they are dead until somebody retries them."""
    if not ids:
        raise click.UsageError("Name the jobs to stop.")
    click.echo(f"{len(actions.stop(actor(), ids, moments.now(), note))} stopped.")


@click.command()
@click.argument("job_id", metavar="ID", type=int)
@click.option("--set", "fields", metavar="FIELD=VALUE", multiple=True, required=True, help="A field's new value.")
@note_option
def edit(job_id: int, fields: tuple[str, ...], note: str | None) -> None:
    """Replace a job by an edited copy; the job itself is discarded."""
    if any("=" not in each for each in fields):
        raise click.UsageError("Write --set FIELD=VALUE, such as --set subscriber=7.")
    values = {name: value for name, _, value in (each.partition("=") for each in fields)}
    copy = actions.edit(actor(), job_id, values, moments.now(), note)
    click.echo(f"job {copy.id} is owed in place of job {job_id}.")


# ---- which jobs --------------------------------------------------------------------------------------------


def _choose(action: str, default: str, ids: tuple[int, ...], everything: bool, **given: Any) -> JobFilter | None:
    """The filter that the options make, or None if jobs are given by number."""
    filtered_by = any(given.values())
    if bool(ids) == (everything or filtered_by):
        raise click.UsageError(f"Name the jobs to {action}, or say --all for every {default} one, or give a filter.")
    return None if ids else chosen_by(default, **given)


def _say_what(action: str, ids: tuple[int, ...], chosen: JobFilter | None, now: datetime) -> None:
    asked = actions.preview(action, chosen or JobFilter("all", ids=ids), now)
    with reading() as session:
        met = filters.page(session, asked.chosen, 20)
    some = f" ({'the newest of them: ' if asked.jobs > 20 else ''}{audit.ranges(sorted(job.id for job in met))})"
    click.echo(f"Would {action} {asked.jobs} {'job' if asked.jobs == 1 else 'jobs'}{some if asked.jobs else ''}.")


def _all(action: str, chosen: JobFilter, now: datetime, give: Callable[[JobFilter, Progress], int]) -> int:
    asked = actions.preview(action, chosen, now)
    with counting(action, lambda: asked.jobs) as told:
        met = give(asked.chosen, told)
    if met != asked.jobs:
        click.echo(f"{asked.jobs - met} had changed meanwhile and were left alone.", err=True)
    return met
