"""`verdicts db`: create the database, upgrade it to this release, or forget a lost signing key."""

import click

from db import migrations, moments, schema
from db.schema import Standing
from web.actions import keys
from web.cli import actor, ask, dry_run_option, note_option, yes_option
from web.cli.copies import copy


@click.group()
def database() -> None:
    """The database schema, the signing keys that it knows, and its copy in another database."""


database.add_command(copy)


@database.command()
@dry_run_option
def upgrade(dry_run: bool) -> None:
    """Create the database, or upgrade it to this release while the site runs."""
    found = schema.standing()
    if dry_run and found.missing:
        click.echo(f"A new database would be made: {found.missing}. Nothing was changed.")
        return
    steps = migrations.pending() if found.answer == "older" else []
    if steps:
        click.echo(f"From {_named(found)} to revision {schema.REVISION} (release {schema.RELEASE}):")
        for step in steps:
            rows = ", ".join(f"{count:,} {table}" for table, count in step.rows.items())
            click.echo(f"  {step.revision} {step.title}" + (f" ({rows})" if rows else ""))
    if dry_run and (steps or found.may_run):
        click.echo("Nothing was changed." if steps else "Nothing would be changed.")
        return
    migrations.upgrade(click.echo)
    click.echo("The database is up to date.")


@database.command(name="forget-key")
@yes_option
@note_option
def forget_key(yes: bool, note: str | None) -> None:
    """Go on without a signing key that is lost. The first key here is the site's newest from then on."""
    schema.check()
    found = keys.losses()
    click.echo("With the keys that are missing here is lost:")
    for sentence in found.in_words:
        click.echo(f"  {sentence}")
    ask(
        lambda: "This cannot be undone; if you find the key, put it behind the new one (SECRET_KEY=NEW,OLD) instead.",
        yes,
    )
    done = keys.forget(actor(), moments.now(), note)
    click.echo(
        f"Forgotten. Suppressions hashed anew: {done.suppressions_hashed_anew:,}; lost: {done.suppressions_lost:,}. "
        "Start all processes again with the key that this command ran with."
    )


def _named(found: Standing) -> str:
    return f"revision {found.revision}" if found.revision else "an empty database"
