"""Actions on webhooks, shared by console and commands, each carried out and audited in one transaction.

The audit log names a webhook by its number and origin: the rest of its URL may be secret, and an entry is for ever.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from db.masking import masked_in
from db.operators import audit
from db.operators.audit import Actor
from db.rules import Refused
from db.session import Session, writing
from db.settings import settings
from db.webhooks import messages, webhooks
from db.webhooks.forms import FORMS, Form
from db.webhooks.urls import read_url
from db.webhooks.webhooks import Webhook
from worker.outside import addresses
from worker.outside.errors import OutsideError
from worker.webhooks import webhook_events


class Made(NamedTuple):
    """A webhook's number and its new secret, which is shown this once."""

    number: int
    secret: str


def add(
    actor: Actor, url: str, form: str, events: Collection[str], now: datetime, note: str | None = None
) -> Made:  # fmt: skip
    """Add a webhook. Raises Refused for a URL that cannot be posted to, without an event, or for an unknown one."""
    read, secret = read_url(url), webhooks.new_secret()
    with writing() as session:
        new = webhooks.add(session, read, _form(form), events, secret, now)
        _keep(session, actor, "add", new, now, note, after={"form": new.form, "events": new.events})
        return Made(new.id, secret)


def warning_about(url: str) -> str:
    """Why nothing could be posted to this URL now, or nothing. It asks the name server, for two seconds at most."""
    read = urlsplit(read_url(url).url)
    port = read.port or (443 if read.scheme == "https" else 80)
    try:
        addresses.places_of(read.hostname or "", port, settings().outside_networks, 2.0)
    except OutsideError as error:
        return str(error)
    return ""


def _form(written: str) -> Form:
    for known in FORMS:
        if known == written:
            return known
    raise Refused(f"There is no form {written!r}; there are: {', '.join(FORMS)}.")


def change(
    actor: Actor, webhook_id: int, form: str | None, events: Collection[str] | None, now: datetime,
    note: str | None = None,
) -> Webhook:  # fmt: skip
    """Change what a webhook hears, or in which form. Without an effect nothing is audited."""
    with writing() as session:
        found = webhooks.get(session, webhook_id, lock=True)
        before: dict[str, Any] = {"form": found.form, "events": found.events}
        webhooks.change(found, _form(form or found.form), found.events if events is None else events)
        after: dict[str, Any] = {"form": found.form, "events": found.events}
        if after != before:
            _keep(session, actor, "change", found, now, note, before=before, after=after)
        return found


def renew_secret(actor: Actor, webhook_id: int, now: datetime, note: str | None = None) -> Made:
    """Give a webhook a new secret; for a day the old one signs beside it."""
    secret = webhooks.new_secret()
    with writing() as session:
        found = webhooks.get(session, webhook_id, lock=True)
        until = webhooks.renew(found, secret, now)
        _keep(session, actor, "secret", found, now, note, after={"the old secret signs until": until.isoformat()})
    return Made(webhook_id, secret)


def disable(actor: Actor, webhook_id: int, reason: str, now: datetime) -> Webhook:
    """Disable a webhook, with a reason. Raises Refused if it is disabled."""
    reason = masked_in(reason.strip())
    if not reason:
        raise Refused("Say why; the reason is shown with the webhook.")
    with writing() as session:
        found = webhooks.get(session, webhook_id, lock=True)
        webhooks.disable(found, "admin", reason, now)
        _keep(session, actor, "disable", found, now, reason)
        return found


def enable(actor: Actor, webhook_id: int, now: datetime, note: str | None = None) -> Webhook:
    """Enable a webhook again. Raises Refused if it is enabled. What happened meanwhile is not told."""
    with writing() as session:
        found = webhooks.get(session, webhook_id, lock=True)
        since = found.disabled_at and found.disabled_at.isoformat()
        before: dict[str, Any] = {"disabled since": since, "reason": found.reason}
        webhooks.enable(found)
        _keep(session, actor, "enable", found, now, note, before=before)
        return found


def remove(actor: Actor, webhook_id: int, now: datetime, note: str | None = None) -> str:
    """Remove a webhook and the record of what it was told. Returns its origin."""
    with writing() as session:
        found = webhooks.get(session, webhook_id, lock=True)
        _keep(session, actor, "remove", found, now, note, before={"form": found.form, "events": found.events})
        webhooks.remove(session, found)
        return found.origin


def send_test(actor: Actor, webhook_id: int, now: datetime, note: str | None = None) -> None:
    """Queue a test message. Raises Refused for a disabled webhook."""
    with writing() as session:
        found = webhooks.get(session, webhook_id)
        if found.disabled_at is not None:
            raise Refused(f"Webhook {webhook_id} is disabled; enable it first.")
        messages.tell(session, found, webhook_events.test(now), now)
        _keep(session, actor, "test", found, now, note)


def _keep(
    session: Session, actor: Actor, action: str, found: Webhook, now: datetime, note: str | None,
    before: dict[str, Any] | None = None, after: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    audit.record(
        session, actor, f"webhooks.{action}", now, about=f"webhook {found.id}", ids=[found.id],
        before=before, after={"at": found.origin} | (after or {}), note=note,
    )  # fmt: skip
