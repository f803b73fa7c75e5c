"""`verdicts deliveries held` and `release`: domains to which no letter goes until somebody says why."""

import click

from db import moments
from db.deliveries.limits import stops
from db.session import reading
from web.actions.digests import held_domains as actions
from web.cli import actor, as_json, json_option, table


@click.command()
@json_option
def held(json: bool) -> None:
    """Domains whose letters are held because most were refused as addresses that do not exist."""
    with reading() as session:
        found = [(stop, digest.slot) for stop, digest in stops.standing_stops(session) if stop.domain]
    rows = [{"domain": stop.domain, "held_since": stop.at, "digest": slot, "refused": stop.refused,
             "letters": stop.letters} for stop, slot in found]  # fmt: skip
    if json:
        as_json(rows)
        return
    shown = [[stop.domain, f"{stop.at:%Y-%m-%d %H:%M} UTC", slot, f"{stop.refused} of {stop.letters}"]
             for stop, slot in found]  # fmt: skip
    table(("domain", "held since", "digest", "refused"), shown, "No domain is held.")


@click.command()
@click.argument("domain")
@click.option("--reason", required=True, help="Why; kept in the audit log.")
def release(domain: str, reason: str) -> None:
    """Send the letters to a held domain now."""
    number = actions.release(actor(), domain, reason, moments.now())
    click.echo(f"{domain} is released; {number:,} {'letter is' if number == 1 else 'letters are'} queued again.")
