"""`verdicts subscribers suspected`: hard bounces that a provider's bad hour may have caused, until a person decides."""

import click

from db import moments
from web.actions.subscribers import suspected as actions
from web.actions.subscribers.suspected import Decision
from web.cli import actor, as_json, dry_run_option, json_option, note_option, table


@click.command()
@click.option("--digest", "slot", metavar="SLOT", help="Only those from this digest.")
@click.option("--domain", metavar="DOMAIN", help="Only those at this domain.")
@click.option("--confirm", "decision", flag_value="confirm", help="They are right: suppressed for good.")
@click.option("--lift", "decision", flag_value="lift", help="They are wrong: these addresses may be mailed again.")
@json_option
@dry_run_option
@note_option
def suspected(
    slot: str | None, domain: str | None, decision: Decision | None, json: bool, dry_run: bool, note: str | None
) -> None:
    """Addresses suppressed while a mail server may have refused everybody, by digest and domain; --confirm or --lift
    decides about them. Until then nobody mails them."""
    if decision is None:
        _list(slot, domain, json)
        return
    number = actions.count(slot, domain)
    if dry_run:
        click.echo(f"{_suppressions(number)} chosen; nothing was done.")
        return
    done = actions.decide(actor(), decision, slot, domain, moments.now(), note)
    click.echo(f"{_suppressions(done)} {'lifted' if decision == 'lift' else 'confirmed'}.")
    if done and decision == "lift":
        click.echo(
            f"What the mail server itself refused goes out again with: {actions.retry_with(slot or 'SLOT')}. "
            "What came back later is not sent again."
        )


def _list(slot: str | None, domain: str | None, json: bool) -> None:
    rows = [
        {"digest": name, "domain": group.domain, "suspected": group.number}
        for name, group in actions.groups()
        if slot in (None, name) and (domain is None or domain.strip().lower() == group.domain)
    ]
    if json:
        as_json(rows)
        return
    shown = [[row["digest"], row["domain"], row["suspected"]] for row in rows]
    table(("digest", "domain", "suspected"), shown, "No suppression is suspected.")


def _suppressions(number: int) -> str:
    return f"{number:,} {'suppression is' if number == 1 else 'suppressions are'}"
