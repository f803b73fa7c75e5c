"""Webhooks: URLs of others' servers, which events each of them hears, and since when one fails."""

import base64
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from sqlalchemy import JSON, Text, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import sealing
from db.masking import masked_in
from db.register import FreeText, OperatorToken, Plain, holds
from db.rules import Refused
from db.session import NEVER_REUSED, Key, Row
from db.webhooks.event_types import TYPES
from db.webhooks.forms import Form
from db.webhooks.messages import WebhookMessage
from db.webhooks.urls import ReadUrl

OVERLAP = timedelta(hours=24)
"""How long messages carry a signature by the earlier secret too, after a new one was made."""
GIVEN_UP = timedelta(days=1)
"""A webhook is disabled once an attempt fails this long after the first one that failed, with no success in between."""
_URL, _SECRET = "webhook URL", "webhook secret"


class Webhook(Row):
    """Somebody else's URL and the events it hears. Admins alone see the whole URL: a chat's lets anybody write there.

    `ended_by` says who disabled it: an admin, or its own failures or its server's 410, which an alert tells.
    """

    __tablename__ = "webhooks"
    __table_args__ = (NEVER_REUSED,)

    id: Mapped[Key]
    origin: Mapped[Plain]
    sealed_url: Mapped[OperatorToken] = mapped_column(Text)
    form: Mapped[Plain]
    events: Mapped[Annotated[list[str], holds("none")]] = mapped_column(JSON)
    sealed_secret: Mapped[OperatorToken] = mapped_column(Text)
    earlier_secret: Mapped[OperatorToken | None] = mapped_column(Text)
    earlier_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    ended_by: Mapped[Plain | None]
    reason: Mapped[FreeText | None] = mapped_column(Text)
    """Why it is disabled, with addresses masked."""

    @property
    def url(self) -> str | None:
        """The whole URL; None if the key it was sealed with is gone."""
        return sealing.unseal(_URL, self.sealed_url)

    def secrets(self, now: datetime) -> list[str]:
        """The secrets to sign with, the newest first; none if the key they were sealed with is gone."""
        kept = [self.sealed_secret]
        if self.earlier_secret and self.earlier_until and now < self.earlier_until:
            kept.append(self.earlier_secret)
        return [found for each in kept if (found := sealing.unseal(_SECRET, each))]


# ---- queries -----------------------------------------------------------------------------------------------


def get(session: Session, webhook_id: int, *, lock: bool = False) -> Webhook:
    """The webhook with that number. Raises Refused when there is none."""
    found = session.get(Webhook, webhook_id, with_for_update=lock or None, populate_existing=True)
    if found is None:
        raise Refused(f"There is no webhook {webhook_id}; `verdicts webhooks list` names those there are.")
    return found


def find(session: Session, webhook_id: int) -> Webhook | None:
    """The webhook with that number, if there is one."""
    return session.get(Webhook, webhook_id)


def listed(session: Session) -> list[Webhook]:
    """Every webhook, the oldest first."""
    return list(session.scalars(select(Webhook).order_by(Webhook.id)))


def hearing(session: Session, event_type: str) -> list[Webhook]:
    """The enabled webhooks that hear events of this type."""
    enabled = session.scalars(select(Webhook).where(Webhook.disabled_at.is_(None)).order_by(Webhook.id))
    return [each for each in enabled if event_type in each.events]


def given_up(session: Session) -> list[Webhook]:
    """The webhooks that were disabled because their server failed or said that it is gone."""
    return [each for each in listed(session) if each.disabled_at and each.ended_by != "admin"]


# ---- changes by admins ---------------------------------------------------------------------------------------


def new_secret() -> str:
    """A new secret of 256 bits, written as Standard Webhooks write secrets."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def add(session: Session, url: ReadUrl, form: Form, events: Collection[str], secret: str, now: datetime) -> Webhook:
    """Add a webhook. Raises Refused without an event, or for one that does not exist."""
    new = Webhook(
        origin=url.origin, sealed_url=sealing.seal(_URL, url.url), form=form, events=_known(events),
        sealed_secret=sealing.seal(_SECRET, secret), created_at=now,
    )  # fmt: skip
    session.add(new)
    session.flush()
    return new


def change(found: Webhook, form: Form, events: Collection[str]) -> None:
    """Change what it hears, and in which form. Raises Refused as `add` does."""
    found.form, found.events = form, _known(events)


def _known(events: Collection[str]) -> list[str]:
    unknown = sorted(set(events) - set(TYPES))
    if unknown:
        raise Refused(f"There is no event {unknown[0]!r}; there are: {', '.join(TYPES)}.")
    if not events:
        raise Refused("Choose at least one event.")
    return [each for each in TYPES if each in set(events)]


def renew(found: Webhook, secret: str, now: datetime) -> datetime:
    """Put a new secret in place of the old one, which signs beside it until the moment that is returned.

    The URL is encrypted anew as well, so that afterwards the SECRET_KEY of before is no longer needed.
    """
    if url := found.url:
        found.sealed_url = sealing.seal(_URL, url)
    found.earlier_secret, found.earlier_until = found.sealed_secret, now + OVERLAP
    found.sealed_secret = sealing.seal(_SECRET, secret)
    return found.earlier_until


def disable(found: Webhook, ended_by: Literal["admin", "failures", "gone"], reason: str, now: datetime) -> None:
    """Disable a webhook: nothing more is told, and what waits is left out. Raises Refused if it is disabled already."""
    if found.disabled_at is not None:
        raise Refused(f"Webhook {found.id} has been disabled since {found.disabled_at:%Y-%m-%d %H:%M} UTC.")
    found.disabled_at, found.ended_by, found.reason = now, ended_by, masked_in(reason)


def enable(found: Webhook) -> None:
    """Enable a webhook again, and forget its failures. Raises Refused if it is enabled."""
    if found.disabled_at is None:
        raise Refused(f"Webhook {found.id} is enabled.")
    found.disabled_at = found.ended_by = found.reason = found.failing_since = None


def remove(session: Session, found: Webhook) -> None:
    """Remove a webhook with the record of what it was told; messages that wait are left out."""
    session.execute(delete(WebhookMessage).where(WebhookMessage.webhook_id == found.id))
    session.delete(found)


# ---- changes by the outside line -----------------------------------------------------------------------------


def succeeded(session: Session, webhook_id: int) -> None:
    """Forget its failures: its server has taken a message."""
    _put(session, webhook_id, Webhook.failing_since.is_not(None), failing_since=None)


def failed(session: Session, webhook_id: int, now: datetime) -> None:
    """Remember since when it fails."""
    _put(session, webhook_id, Webhook.failing_since.is_(None), failing_since=now)


def give_up(
    session: Session, webhook_id: int, ended_by: Literal["failures", "gone"], reason: str, now: datetime
) -> bool:
    """Disable a webhook whose server has failed for a day, or is gone. False if it does not apply (any more)."""
    overdue: Sequence[Any] = (Webhook.failing_since <= now - GIVEN_UP,) if ended_by == "failures" else ()
    enabled = Webhook.disabled_at.is_(None)
    return _put(session, webhook_id, enabled, *overdue, disabled_at=now, ended_by=ended_by, reason=reason)


def _put(session: Session, webhook_id: int, *conditions: Any, **values: Any) -> bool:
    changed = session.execute(update(Webhook).where(Webhook.id == webhook_id, *conditions).values(**values))
    return bool(changed.rowcount)  # type: ignore[attr-defined]
