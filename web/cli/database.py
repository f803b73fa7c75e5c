"""`verdicts db`: make the database, or bring it to this release."""

import click

from db import migrations


@click.group()
def database() -> None:
    """The database's form."""


@database.command()
def upgrade() -> None:
    """Make the database, or bring it to this release."""
    migrations.upgrade()
    click.echo("The database is up to date.")
