"""`verdicts jobs`: background jobs, above all those that failed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from db.jobs import filters, groups
from db.jobs import jobs as jobs_ledger
from db.jobs.filters import VIEWS, JobFilter
from db.jobs.jobs import Attempt, Job
from db.operators import audit
from db.session import reading
from web.actions import Progress
from web.actions import jobs as actions
from web.cli import actor, as_json, counting, dry_run_option, json_option, note_option, table
from web.cli.job_filter_options import chosen_by, filtered, ids_argument, many
from web.cli.queues import pause, queues, resume, say_paused

ALL_GROUPS = "all groups"


@click.group()
def jobs() -> None:
    """Failed jobs: list, show, retry, edit, stop, discard, restore. Queues: pause, resume."""


for command in (queues, pause, resume):
    jobs.add_command(command)

# ---- queries -----------------------------------------------------------------------------------------------


@jobs.command(name="list")
@click.option(
    "--group", is_flag=False, flag_value=ALL_GROUPS, help="Groups of jobs with the same error; with a group, its jobs."
)
@click.option("--state", type=click.Choice(VIEWS), help="Only jobs in this state; without it failing (groups: dead).")
@filtered
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1))
@json_option
def list_(group: str | None, state: str | None, limit: int, json: bool, **given: Any) -> None:
    """Jobs, newest first; without --state those that are dead or wait after a failed attempt."""
    if group == ALL_GROUPS:
        _list_groups(chosen_by("dead", state, **given), limit, json)
        return
    asked = chosen_by("failing", state, **given, groups=() if group is None else (group,))
    with reading() as session:
        rows = [_row(job) for job in filters.page(session, asked, limit)]
    if json:
        as_json(rows)
        return
    say_paused()
    columns = ("id", "kind", "state", "attempt", "next", "error", "message")
    table(columns, [[row[column] for column in columns] for row in rows], _none(asked))


def _none(asked: JobFilter) -> str:
    if asked not in (JobFilter("failing"), JobFilter("dead")):
        return f"No job is {asked.state}." if asked == JobFilter(asked.state) else "No job matches."
    return "No job has failed." if asked.state == "failing" else "No job is dead."


def _list_groups(asked: JobFilter, limit: int, json: bool) -> None:
    with reading() as session:
        found = groups.groups(session, asked, limit)
    if json:
        as_json([_group(each) for each in found.shown])
        return
    say_paused()
    columns = ("jobs", "group", "reaction", "first_seen", "last_seen", "message")
    rows = [[_group(each)[column] for column in columns] for each in found.shown]
    table(columns, rows, _none(asked))


def _group(each: groups.Group) -> dict[str, Any]:
    seen = {name: moment and moment.isoformat(timespec="seconds")
            for name, moment in (("first_seen", each.first_seen), ("last_seen", each.last_seen))}  # fmt: skip
    return {
        "group": str(each.key),
        **each.key._asdict(),
        "reaction": each.newest.reaction,
        "jobs": each.jobs,
        **seen,
        "attempts": each.newest.attempt,
        "message": each.newest.said,
    }


def _row(job: Job) -> dict[str, Any]:
    waits = job.run_after.isoformat(timespec="seconds") if job.state == "pending" else None
    return {
        "id": job.id,
        "kind": job.kind,
        "reaction": job.reaction,
        "state": job.state,
        "attempt": job.attempt,
        "next": waits,
        "error": job.error,
        "message": job.said,
        "fingerprint": job.fingerprint,
        "failed_at": job.failed_at,
        "payload": job.payload,
        "reason": job.note,
        "replaces": job.replaces,
        "created_at": job.created_at,
    }


@jobs.command()
@click.argument("job_id", metavar="ID", type=int)
@json_option
def show(job_id: int, json: bool) -> None:
    """One job with its payload, and every attempt with its traceback."""
    with reading() as session:
        job = jobs_ledger.get(session, job_id)
        attempts = list(job.attempts)
        copy, parts = filters.copies(session, job)
    row = _row(job) | {"cause": job.cause, "replaced_by": copy, "parts": [part for part, _ in parts]}
    if json:
        as_json(row | {"attempts": [_attempt(each) for each in attempts]})
        return
    click.echo(f"job {job.id}: {job.kind} {job.payload}")
    click.echo(f"state: {job.state}" + (f" ({job.note})" if job.note else ""))
    for told, number in (("replaces", job.replaces), ("replaced by", copy), ("part of", job.cause)):
        if number is not None:
            click.echo(f"{told}: job {number}")
    if row["next"]:
        click.echo(f"next attempt: {row['next']}")
    for each in attempts:
        ended = f"{each.outcome} {each.ended_at:%Y-%m-%d %H:%M:%S}" if each.ended_at else "not ended"
        click.echo(f"\nattempt {each.number} on {each.worker}, triggered by {each.trigger}: "
                   f"{each.started_at:%Y-%m-%d %H:%M:%S} UTC, {ended}")  # fmt: skip
        if each.error:
            click.echo((each.traceback or f"{each.error}: {each.message}").rstrip())


def _attempt(each: Attempt) -> dict[str, Any]:
    names = ("number", "worker", "trigger", "started_at", "ended_at", "outcome", "error", "message", "traceback")
    return {name: getattr(each, name) for name in names}


# ---- changes -----------------------------------------------------------------------------------------------


@jobs.command()
@many("dead")
@click.option("--rate", default=actions.RATE, show_default=True, help="How many jobs may start in a second.")
@note_option
@dry_run_option
def retry(ids: tuple[int, ...], everything: bool, rate: float, note: str | None, dry_run: bool, **given: Any) -> None:
    """Give jobs six more attempts; earlier ones keep their tracebacks. Jobs given by number start at once."""
    now = datetime.now(UTC)
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


@jobs.command()
@many("dead")
@click.option("--reason", required=True, help="Why; kept on the job.")
@dry_run_option
def discard(ids: tuple[int, ...], everything: bool, reason: str, dry_run: bool, **given: Any) -> None:
    """Give jobs up, with a reason; `restore` undoes it."""
    now = datetime.now(UTC)
    chosen = _choose("discard", "dead", ids, everything, **given)
    if dry_run:
        _say_what("discard", ids, chosen, now)
    elif chosen is None:
        click.echo(f"{len(actions.discard(actor(), ids, reason, now))} discarded.")
    else:
        met = _all("discard", chosen, now, lambda f, told: actions.discard_matching(actor(), f, reason, now, told))
        click.echo(f"{met} discarded.")


@jobs.command()
@many("discarded")
@note_option
@dry_run_option
def restore(ids: tuple[int, ...], everything: bool, note: str | None, dry_run: bool, **given: Any) -> None:
    """Undo a discard: the job is dead again, and can be retried."""
    now = datetime.now(UTC)
    chosen = _choose("restore", "discarded", ids, everything, **given)
    if dry_run:
        _say_what("restore", ids, chosen, now)
    elif chosen is None:
        click.echo(f"{len(actions.restore(actor(), ids, now, note))} restored.")
    else:
        met = _all("restore", chosen, now, lambda f, told: actions.restore_matching(actor(), f, now, note, told))
        click.echo(f"{met} restored.")


@jobs.command()
@ids_argument
@note_option
def stop(ids: tuple[int, ...], note: str | None) -> None:
    """Stop trying jobs that wait for another attempt: they are dead until somebody retries them."""
    if not ids:
        raise click.UsageError("Name the jobs to stop.")
    click.echo(f"{len(actions.stop(actor(), ids, datetime.now(UTC), note))} stopped.")


@jobs.command()
@click.argument("job_id", metavar="ID", type=int)
@click.option("--set", "fields", metavar="FIELD=VALUE", multiple=True, required=True, help="A field's new value.")
@note_option
def edit(job_id: int, fields: tuple[str, ...], note: str | None) -> None:
    """Replace a job by an edited copy; the job itself is discarded."""
    if any("=" not in each for each in fields):
        raise click.UsageError("Write --set FIELD=VALUE, such as --set subscriber=7.")
    values = {name: value for name, _, value in (each.partition("=") for each in fields)}
    copy = actions.edit(actor(), job_id, values, datetime.now(UTC), note)
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
