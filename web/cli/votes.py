"""`verdicts votes`: compare the tallies with the votes, and correct them."""

import sys

import click

from db import moments
from db.session import reading, writing
from db.votes import tallies
from web.cli import as_json, json_option


@click.group()
def votes() -> None:
    """The vote tallies: check them, rebuild them."""


@votes.command()
@json_option
def check(json: bool) -> None:
    """Compare the tallies with the votes; exit code 1 if they differ."""
    with reading(snapshot=True) as session:
        proof = tallies.check(session)
    if json:
        as_json({"holds": not proof.faults, "unfolded": proof.dirty, "faults": proof.faults})
    else:
        for fault in proof.faults:
            click.echo(f"✕ {fault}")
        click.echo(f"unfolded {proof.dirty}")
        click.echo(
            "✕ The tallies are off; correct them: verdicts votes rebuild" if proof.faults else "✓ The tallies hold"
        )
    sys.exit(1 if proof.faults else 0)


@votes.command()
def rebuild() -> None:
    """Compute every tally anew from the votes, and record the difference as today's change."""
    with writing() as session:
        wrong = tallies.rebuild(session, moments.now())
    click.echo(f"{wrong} tallies were wrong and are right again." if wrong else "Every tally was right.")
