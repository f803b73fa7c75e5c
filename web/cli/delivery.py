"""`verdicts deliveries show`: one delivery, and the message of its last attempt."""

import click

from db.deliveries.claiming import recipients
from db.deliveries.deliveries import Delivery
from db.rules import Refused
from db.session import reading
from web.cli import as_json, json_option, table
from web.cli.deliveries import row_of
from worker.letters import letters_as_sent


@click.command()
@click.argument("number", type=int, metavar="ID")
@click.option("--message", is_flag=True, help="Write the message of its last attempt, and say whether it is the same.")
@json_option
def show(number: int, message: bool, json: bool) -> None:
    """One delivery; with --message its message alone, as it was sent last."""
    if message:
        with reading() as session:
            written = letters_as_sent.again(session, number)
        click.echo(letters_as_sent.TOLD[written.likeness], err=True)
        click.echo(written.message, nl=False)
        return
    with reading() as session:
        found = session.get(Delivery, number)
        if found is None:
            raise Refused(f"There is no delivery {number}.")
        told = row_of(found, recipients.recipient(session, number)[0]) | {"claimed_at": found.claimed_at}
    if json:
        as_json(told)
    else:
        table(("of it", "value"), [(name, value) for name, value in told.items() if value is not None], "")
