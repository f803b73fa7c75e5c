"""`verdicts jobs`: what is owed because something happened, and what failed."""

from datetime import UTC, datetime
from typing import Any

import click

from db import jobs as ledger
from db.jobs import Attempt, Job
from db.session import reading, writing
from web.cli import as_json, json_option, table


@click.group()
def jobs() -> None:
    """Failed jobs: list, show, retry, discard, restore."""


@jobs.command(name="list")
@click.option("--state", type=click.Choice([*ledger.STATES, "failing", "all"]), default="failing", show_default=True)
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1))
@json_option
def list_(state: str, limit: int, json: bool) -> None:
    """Jobs, newest first; without --state those that are dead or wait after a failed attempt."""
    with reading() as session:
        if state == "failing":
            found = ledger.failing(session, limit)
        else:
            found = ledger.listed(session, list(ledger.STATES) if state == "all" else [state], limit)
        last = {job.id: ledger.last_attempt(session, job.id) for job in found}
    rows = [_row(job, last[job.id]) for job in found]
    if json:
        as_json(rows)
        return
    columns = ("id", "kind", "state", "attempt", "next", "error", "message")
    table(columns, [[row[column] for column in columns] for row in rows], "No job has failed." if state == "failing"
          else f"No job is {state}.")  # fmt: skip


def _row(job: Job, last: Attempt | None) -> dict[str, Any]:
    waits = job.run_after.isoformat(timespec="seconds") if job.state == "pending" else None
    return {
        "id": job.id,
        "kind": job.kind,
        "reaction": job.reaction,
        "state": job.state,
        "attempt": job.attempt,
        "next": waits,
        "error": last.error if last else None,
        "message": last.message if last else None,
        "fingerprint": last.fingerprint if last else None,
        "payload": job.payload,
        "reason": job.note,
        "created_at": job.created_at,
    }


@jobs.command()
@click.argument("job_id", metavar="ID", type=int)
@json_option
def show(job_id: int, json: bool) -> None:
    """One job with its payload and every attempt, tracebacks and all."""
    with reading() as session:
        job = ledger.get(session, job_id)
        attempts = list(job.attempts)
    row = _row(job, attempts[-1] if attempts else None)
    if json:
        as_json(row | {"attempts": [_attempt(each) for each in attempts]})
        return
    click.echo(f"job {job.id}: {job.kind} {job.payload}")
    click.echo(f"state: {job.state}" + (f" ({job.note})" if job.note else ""))
    if row["next"]:
        click.echo(f"next attempt: {row['next']}")
    for each in attempts:
        ended = f"{each.outcome} {each.ended_at:%Y-%m-%d %H:%M:%S}" if each.ended_at else "not ended"
        click.echo(f"\nattempt {each.number} on {each.worker}, rung by {each.trigger}: "
                   f"{each.started_at:%Y-%m-%d %H:%M:%S} UTC, {ended}")  # fmt: skip
        if each.error:
            click.echo((each.traceback or f"{each.error}: {each.message}").rstrip())


def _attempt(each: Attempt) -> dict[str, Any]:
    names = ("number", "worker", "trigger", "started_at", "ended_at", "outcome", "error", "message", "traceback")
    return {name: getattr(each, name) for name in names}


@jobs.command()
@click.argument("ids", metavar="ID…", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="Retry every dead job.")
def retry(ids: tuple[int, ...], everything: bool) -> None:
    """Give jobs their attempts anew, from now on; earlier attempts keep their tracebacks."""
    if bool(ids) == everything:
        raise click.UsageError("Name the jobs to retry, or say --all for every dead one.")
    with writing() as session:
        chosen = ids or tuple(job.id for job in ledger.listed(session, ["dead"], limit=1_000_000))
        for job_id in chosen:
            ledger.retry(session, job_id, datetime.now(UTC))
    click.echo(f"{len(chosen)} {'job is' if len(chosen) == 1 else 'jobs are'} owed again.")


@jobs.command()
@click.argument("ids", metavar="ID…", nargs=-1, required=True, type=int)
@click.option("--reason", required=True, help="Why; kept on the job.")
def discard(ids: tuple[int, ...], reason: str) -> None:
    """Give jobs up, with a reason; `restore` takes it back."""
    with writing() as session:
        for job_id in ids:
            ledger.discard(session, job_id, reason, datetime.now(UTC))
    click.echo(f"{len(ids)} discarded.")


@jobs.command()
@click.argument("ids", metavar="ID…", nargs=-1, required=True, type=int)
def restore(ids: tuple[int, ...]) -> None:
    """Take a discard back: the job is dead again, and can be retried."""
    with writing() as session:
        for job_id in ids:
            ledger.restore(session, job_id)
    click.echo(f"{len(ids)} restored.")
