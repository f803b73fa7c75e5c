"""`verdicts votes`: prove the tallies against the votes, and mend them."""

import sys
from datetime import UTC, datetime

import click

from db.session import reading, writing
from db.votes import tallies
from web.cli import as_json, json_option


@click.group()
def votes() -> None:
    """The tallies and their proof."""


@votes.command()
@json_option
def check(json: bool) -> None:
    """Prove the tallies against the votes; exit code 1 when they do not agree."""
    with reading(snapshot=True) as session:
        proof = tallies.check(session)
    if json:
        as_json({"holds": not proof.faults, "unfolded": proof.dirty, "faults": proof.faults})
    else:
        for fault in proof.faults:
            click.echo(f"✕ {fault}")
        click.echo(f"unfolded {proof.dirty}")
        click.echo("✕ The tallies are off; mend them: verdicts votes rebuild" if proof.faults else "✓ The tallies hold")
    sys.exit(1 if proof.faults else 0)


@votes.command()
def rebuild() -> None:
    """Set every tally to what the votes say, and book the difference on today."""
    with writing() as session:
        wrong = tallies.rebuild(session, datetime.now(UTC))
    click.echo(f"{wrong} tallies were wrong and are right again." if wrong else "Every tally was right.")
