"""Alerts: one is opened and emailed once per condition, stays open while the condition lasts, and can then recur."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Index, Text, bindparam, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.register import FreeText, Plain
from db.session import NEVER_REUSED, Key, Moment, Row

_OPEN = text("closed_at is null")


class Alert(Row):
    """An alert about something that needs a person; `key` identifies its cause, `link` is the console's page for it."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("uq_alerts_open", "key", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_alerts_opened", "opened_at"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    key: Mapped[FreeText]
    kind: Mapped[Plain]
    title: Mapped[FreeText]
    told: Mapped[FreeText] = mapped_column(Text)
    link: Mapped[Plain]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that would alert: one `key` per cause, a title, sentences that name no reader, and a console page."""

    key: str
    kind: str
    title: str
    told: tuple[str, ...]
    link: str


# ---- changes -----------------------------------------------------------------------------------------------


def raise_new(session: Session, condition: Condition, now: datetime) -> int | None:
    """Open an alert. Returns its id, or None if one with that key is open, so that parallel checks email it once."""
    number: int | None = session.scalar(
        _OPEN_NEW,
        {"key": condition.key, "kind": condition.kind, "title": condition.title,
         "told": "\n".join(" ".join(each.splitlines()) for each in condition.told), "link": condition.link, "now": now},
    )  # fmt: skip
    return number


_OPEN_NEW = text(
    "INSERT INTO alerts (key, kind, title, told, link, opened_at) VALUES (:key, :kind, :title, :told, :link, :now)"
    " ON CONFLICT (key) WHERE closed_at is null DO NOTHING RETURNING id"
).bindparams(bindparam("now", type_=Moment()))


def end(session: Session, ids: Collection[int], now: datetime) -> list[int]:
    """Close alerts whose cause is over. Returns which: of parallel checks one closes each. A cause may alert again."""
    ended = update(Alert).where(Alert.id.in_(ids), _OPEN).values(closed_at=now).returning(Alert.id)
    return sorted(session.scalars(ended, execution_options={"synchronize_session": False}))


# ---- queries -----------------------------------------------------------------------------------------------


def standing(session: Session, limit: int = 1000) -> list[Alert]:
    """The open alerts, newest first."""
    return list(session.scalars(select(Alert).where(_OPEN).order_by(Alert.id.desc()).limit(limit)))
