"""What each webhook was told: a message is one event for one webhook, and keeps its id and its body over all tries."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, ForeignKey, Index, Text, UniqueConstraint, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.jobs import outside
from db.jobs.jobs import Job
from db.jobs.outside import OutsideRequest
from db.masking import masked_fields, masked_in
from db.register import FreeFields, FreeText, Plain
from db.session import NEVER_REUSED, BigId, Key, Row

if TYPE_CHECKING:
    from db.webhooks.webhooks import Webhook

KEPT = rules.kept("webhook messages")
"""How long the record of a message is kept."""


class WebhookMessage(Row):
    """One event for one webhook, and what its server answered last. `cause` names what is told once only; readers stand
    in `data` and `text` by number."""

    __tablename__ = "webhook_messages"
    __table_args__ = (
        UniqueConstraint("webhook_id", "cause"),
        Index("ix_webhook_messages_webhook_id", "webhook_id", "id"),
        Index("ix_webhook_messages_created_at", "created_at"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    webhook_id: Mapped[int] = mapped_column(BigId, ForeignKey("webhooks.id"))
    message_id: Mapped[Plain]
    cause: Mapped[Plain | None]
    event_type: Mapped[Plain]
    at: Mapped[datetime]
    data: Mapped[FreeFields] = mapped_column(JSON)
    text: Mapped[FreeText] = mapped_column(Text)
    created_at: Mapped[datetime]
    job_id: Mapped[int | None] = mapped_column(BigId)
    tried_at: Mapped[datetime | None]
    status: Mapped[int | None]
    error: Mapped[FreeText | None] = mapped_column(Text)


@dataclass(frozen=True)
class PostWebhookMessage(OutsideRequest):
    """Post this message to its webhook."""

    message: int


@dataclass(frozen=True, slots=True)
class Told:
    """An event as webhooks are told it: its type and data for programs, and a sentence for people.

    Neither holds an address or a network of a person. `cause` is set where the same thing must not be told twice.
    """

    event_type: str
    at: datetime
    data: dict[str, Any]
    text: str
    cause: str | None = None


# ---- changes -----------------------------------------------------------------------------------------------


def tell(session: Session, webhook: "Webhook", told: Told, now: datetime) -> WebhookMessage | None:
    """Queue a message to a webhook. None if it was told the same before.

    Addresses are masked whatever the event holds: an alert's sentence may quote a server.
    """
    if told.cause is not None and _was_told(session, webhook.id, told.cause):
        return None
    message = WebhookMessage(
        webhook_id=webhook.id, message_id=f"msg_{secrets.token_hex(12)}", cause=told.cause, created_at=now,
        event_type=told.event_type, at=told.at, data=masked_fields(told.data), text=masked_in(told.text),
    )  # fmt: skip
    session.add(message)
    session.flush()
    # Each webhook is a receiver of its own: of two at one host, a slow one must not hold up the other.
    job = outside.owe(session, PostWebhookMessage(message.id), f"webhook {webhook.id}", now)
    session.flush()
    message.job_id = job.id
    return message


def _was_told(session: Session, webhook_id: int, cause: str) -> bool:
    same = WebhookMessage.webhook_id == webhook_id, WebhookMessage.cause == cause
    return session.scalar(select(WebhookMessage.id).where(*same)) is not None


def answered(session: Session, message_id: int, status: int | None, error: str | None, now: datetime) -> None:
    """Record what came of the last try: the server's status, if it answered, and what was wrong with it."""
    session.execute(
        update(WebhookMessage).where(WebhookMessage.id == message_id)
        .values(tried_at=now, status=status, error=error)
    )  # fmt: skip


def forget(session: Session, now: datetime, limit: int) -> int:
    """Delete the record of messages older than KEPT, at most `limit`. Returns how many."""
    old = select(WebhookMessage.id).where(WebhookMessage.created_at < now - KEPT).limit(limit)
    gone = session.execute(delete(WebhookMessage).where(WebhookMessage.id.in_(old)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


# ---- queries -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """A message and the state of its job; None once that job is no longer kept."""

    message: WebhookMessage
    job_state: str | None

    @property
    def state(self) -> str:
        """delivered, waiting (for its first or its next try), failed (for good) or left out."""
        if self.message.tried_at and self.message.error is None:
            return "delivered"
        if self.job_state in ("pending", "running"):
            return "waiting"
        return "left out" if self.job_state == "discarded" else "failed"


def last(session: Session, webhook_id: int, limit: int) -> list[Sent]:
    """The newest messages to a webhook."""
    query = (
        select(WebhookMessage, Job.state).outerjoin(Job, Job.id == WebhookMessage.job_id)
        .where(WebhookMessage.webhook_id == webhook_id).order_by(WebhookMessage.id.desc()).limit(limit)
    )  # fmt: skip
    return [Sent(message, state) for message, state in session.execute(query)]


def newest(session: Session, webhook_ids: list[int]) -> dict[int, Sent]:
    """The newest message of each of these webhooks that was told anything."""
    return {each: sent[0] for each in webhook_ids if (sent := last(session, each, 1))}


def any_old(session: Session, now: datetime) -> bool:
    """Whether a record is older than KEPT."""
    old = select(WebhookMessage.id).where(WebhookMessage.created_at < now - KEPT)
    return session.scalar(old.limit(1)) is not None
