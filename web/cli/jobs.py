"""`verdicts jobs`: background jobs, above all those that failed. The commands that change jobs: job_actions.py."""

from typing import Any

import click

from db.jobs import filters, groups
from db.jobs import jobs as jobs_ledger
from db.jobs.filters import VIEWS, JobFilter
from db.jobs.jobs import Attempt, Job
from db.session import reading
from web.cli import Later, as_json, json_option, table
from web.cli.job_filter_options import chosen_by, filtered
from web.cli.queues import pause, queues, resume, say_paused

ALL_GROUPS = "all groups"
ACTIONS = ("retry", "discard", "restore", "stop", "edit")


@click.group(cls=Later, later={name: ("web.cli.job_actions", name) for name in ACTIONS})
def jobs() -> None:
    """Failed jobs: list, show, retry, edit, stop, discard, restore. Queues: pause, resume."""


for command in (queues, pause, resume):
    jobs.add_command(command)


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
        "queue": job.queue,
        "receiver": job.receiver,
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
