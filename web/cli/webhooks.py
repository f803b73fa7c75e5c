"""`verdicts webhooks`: others' servers that are told what happens here."""

from typing import Any

import click

from db import moments
from db.session import reading
from db.webhooks import messages, webhooks
from db.webhooks.event_types import TYPES
from db.webhooks.forms import FORMS
from db.webhooks.messages import Sent
from db.webhooks.webhooks import Webhook
from web.actions import webhooks as actions
from web.cli import actor, as_json, ask, json_option, note_option, table, yes_option

event_option = click.option(
    "--event", "events", multiple=True, type=click.Choice(list(TYPES)), help="An event to hear; give it once for each."
)
all_option = click.option("--all-events", is_flag=True, help="Hear every event that there is.")
number = click.argument("number", type=int)


@click.group(name="webhooks")
def webhooks_group() -> None:
    """Others' servers that are told what happens here."""


@webhooks_group.command(name="list")
@json_option
def list_(json: bool) -> None:
    """Every webhook, with its state and its last message. Of URLs only the origin is shown."""
    with reading() as session:
        found = webhooks.listed(session)
        newest = messages.newest(session, [each.id for each in found])
    if json:
        as_json([_as_json(each) | {"last": _sent(newest.get(each.id))} for each in found])
        return
    shown = [
        (each.id, each.origin, each.form, ", ".join(each.events), _state(each), _in_short(newest.get(each.id)))
        for each in found
    ]
    columns = ("number", "at", "form", "events", "state", "last message")
    table(columns, shown, "There is no webhook. Add one: verdicts webhooks add URL --event alert.opened")


@webhooks_group.command()
@number
@json_option
def show(number: int, json: bool) -> None:
    """One webhook with its whole URL, and its last messages. The secret is shown when it is made, and never again."""
    with reading() as session:
        found, sent = webhooks.get(session, number), messages.last(session, number, 20)
    if json:
        as_json(_as_json(found) | {"url": found.url, "messages": [_sent(each) for each in sent]})
        return
    click.echo(f"url: {found.url or 'cannot be read: it was sealed with a SECRET_KEY that is gone'}")
    for name, value in _as_json(found).items():
        click.echo(f"{name}: {', '.join(value) if isinstance(value, list) else '' if value is None else value}")
    rows = [(each.message.id, each.message.event_type, f"{each.message.created_at:%Y-%m-%d %H:%M}", each.state,
             each.message.status, each.message.error) for each in sent]  # fmt: skip
    table(("message", "event", "queued (UTC)", "state", "status", "error"), rows, "It has not been told anything yet.")


@webhooks_group.command()
@click.argument("url")
@event_option
@all_option
@click.option("--form", type=click.Choice(list(FORMS)), default="event", show_default=True,
              help="event: JSON for programs; chat: sentences for Slack and its like.")  # fmt: skip
@note_option
def add(url: str, events: tuple[str, ...], all_events: bool, form: str, note: str | None) -> None:
    """Add a webhook, and print the secret that its messages are signed with; it is shown this once."""
    made = actions.add(actor(), url, form, list(TYPES) if all_events else events, moments.now(), note)
    if warning := actions.warning_about(url):
        click.echo(f"Warning: {warning}", err=True)
    click.echo(f"Webhook {made.number} is added. Its secret is not shown again:", err=True)
    click.echo(made.secret)


@webhooks_group.command()
@number
@event_option
@all_option
@click.option("--form", type=click.Choice(list(FORMS)))
@note_option
def change(number: int, events: tuple[str, ...], all_events: bool, form: str | None, note: str | None) -> None:
    """Change which events a webhook hears (those given replace the ones before), or their form."""
    chosen = list(TYPES) if all_events else events or None
    found = actions.change(actor(), number, form, chosen, moments.now(), note)
    click.echo(f"Webhook {number} hears: {', '.join(found.events)} (form: {found.form}).")


@webhooks_group.command()
@number
@note_option
def secret(number: int, note: str | None) -> None:
    """Make a new secret and print it; for 24 hours messages are signed with the old one too."""
    click.echo(actions.renew_secret(actor(), number, moments.now(), note).secret)


@webhooks_group.command()
@number
@click.option("--reason", required=True, help="Why; shown with the webhook.")
def disable(number: int, reason: str) -> None:
    """Disable a webhook: it is told nothing until it is enabled again."""
    click.echo(f"Webhook {number} ({actions.disable(actor(), number, reason, moments.now()).origin}) is disabled.")


@webhooks_group.command()
@number
@note_option
def enable(number: int, note: str | None) -> None:
    """Enable a webhook again. What happened meanwhile is not told."""
    click.echo(f"Webhook {number} ({actions.enable(actor(), number, moments.now(), note).origin}) is enabled.")


@webhooks_group.command()
@number
@note_option
def test(number: int, note: str | None) -> None:
    """Send a webhook a test message; see `verdicts webhooks show` for what came of it."""
    actions.send_test(actor(), number, moments.now(), note)
    click.echo(f"A test is on its way. See what came of it: verdicts webhooks show {number}")


@webhooks_group.command()
@number
@note_option
@yes_option
def remove(number: int, note: str | None, yes: bool) -> None:
    """Remove a webhook, with the record of what it was told."""
    with reading() as session:
        at = webhooks.get(session, number).origin
    ask(lambda: f"Webhook {number} ({at}) is removed for good.", yes)
    click.echo(f"Webhook {number} ({actions.remove(actor(), number, moments.now(), note)}) is removed.")


# ---- in words and as JSON ------------------------------------------------------------------------------------


def _state(found: Webhook) -> str:
    if found.disabled_at:
        return f"disabled since {found.disabled_at:%Y-%m-%d %H:%M} UTC: {found.reason}"
    return f"failing since {found.failing_since:%Y-%m-%d %H:%M} UTC" if found.failing_since else "enabled"


def _in_short(sent: Sent | None) -> str:
    if sent is None:
        return ""
    return f"{sent.message.event_type}, {sent.state}" + (f": {sent.message.error}" if sent.message.error else "")


def _as_json(found: Webhook) -> dict[str, Any]:
    return {
        "id": found.id, "origin": found.origin, "form": found.form, "events": found.events,
        "state": "disabled" if found.disabled_at else "enabled", "created_at": found.created_at,
        "failing_since": found.failing_since, "disabled_at": found.disabled_at, "disabled_by": found.ended_by,
        "reason": found.reason, "old_secret_signs_until": found.earlier_until,
    }  # fmt: skip


def _sent(sent: Sent | None) -> dict[str, Any] | None:
    if sent is None:
        return None
    one = sent.message
    return {"id": one.message_id, "event": one.event_type, "queued_at": one.created_at, "state": sent.state,
            "tried_at": one.tried_at, "status": one.status, "error": one.error, "job": one.job_id}  # fmt: skip
