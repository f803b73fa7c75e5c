"""`verdicts db`: create the database, or upgrade it to this release."""

import click

from db import migrations, schema
from db.schema import Standing
from web.cli import dry_run_option


@click.group()
def database() -> None:
    """The database schema."""


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


def _named(found: Standing) -> str:
    return f"revision {found.revision}" if found.revision else "an empty database"
