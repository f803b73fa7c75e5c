"""`verdicts operator`: who may use the console."""

import click

from db import moments
from db.operators import operators
from db.operators.operators import ROLES
from db.session import reading
from web.actions.accounts import accounts
from web.cli import actor, as_json, json_option, note_option, table


@click.group()
def operator() -> None:
    """Accounts of the console at /operator."""


@operator.command()
@click.argument("address")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
@note_option
def add(address: str, role: str, note: str | None) -> None:
    """Make an account, and print a link that sets its password; it works once, within 72 hours."""
    click.echo(accounts.add(actor(), address, role, moments.now(), note))


@operator.command(name="list")
@json_option
def list_(json: bool) -> None:
    """Every account with its role and state."""
    with reading() as session:
        found = operators.listed(session)
    rows = [
        {
            "id": one.id,
            "address": one.address,
            "role": one.role,
            "state": one.state,
            "second_factor": one.totp_secret is not None,
            "alerts": one.alerts,
            "last_sign_in": one.seen_at,
        }
        for one in found
    ]
    if json:
        as_json(rows)
        return
    shown = [
        (
            one.address,
            one.role,
            one.state,
            "yes" if one.totp_secret else "",
            f"{one.seen_at:%Y-%m-%d %H:%M}" if one.seen_at else "",
        )
        for one in found
    ]
    columns = ("address", "role", "state", "second factor", "last sign-in (UTC)")
    table(columns, shown, "Nobody has an account. Make one: verdicts operator add ADDRESS --role admin")


@operator.command()
@click.argument("address")
@click.argument("role", type=click.Choice(ROLES))
@note_option
def role(address: str, role: str, note: str | None) -> None:
    """Change an operator's role; this ends their sessions."""
    found = accounts.find(address)
    accounts.change_role(actor(), found.id, role, moments.now(), note)
    click.echo(f"{found.address} has the role {role} now.")


@operator.command()
@click.argument("address")
@note_option
def disable(address: str, note: str | None) -> None:
    """Disable an account; whoever uses it is signed out at once."""
    found = accounts.find(address)
    accounts.disable(actor(), found.id, moments.now(), note)
    click.echo(f"{found.address} is disabled.")


@operator.command()
@click.argument("address")
@note_option
def enable(address: str, note: str | None) -> None:
    """Enable a disabled account again."""
    found = accounts.find(address)
    accounts.enable(actor(), found.id, moments.now(), note)
    click.echo(f"{found.address} is enabled.")


@operator.command()
@click.argument("address")
@click.option("--second-factor", is_flag=True, help="Also remove the second factor and its recovery codes.")
@note_option
def reset(address: str, second_factor: bool, note: str | None) -> None:
    """Remove the password and print a link that sets a new one; ends sessions and the wait after failed logins."""
    found = accounts.find(address)
    click.echo(accounts.reset(actor(), found.id, moments.now(), note, also_second_factor=second_factor))
