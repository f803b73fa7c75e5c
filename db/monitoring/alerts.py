"""What needs a person, told once: an alert stays open until what it is about is over, and then can be told anew."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Index, Text, bindparam, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.session import NEVER_REUSED, Key, Moment, Row

_OPEN = text("closed_at is null")


class Alert(Row):
    """Something that needs a person; `key` tells what it is about, `link` is the console's page for it."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("uq_alerts_open", "key", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_alerts_opened", "opened_at"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    key: Mapped[str]
    kind: Mapped[str]
    title: Mapped[str]
    told: Mapped[str] = mapped_column(Text)
    link: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Condition:
    """What would be told: one `key` a cause, a title, a few sentences that name no reader, a page of the console."""

    key: str
    kind: str
    title: str
    told: tuple[str, ...]
    link: str


# ---- changes -----------------------------------------------------------------------------------------------


def raise_new(session: Session, condition: Condition, now: datetime) -> int | None:
    """Open an alert; its id, or None while one of that key is open: any number of watchers tell it once."""
    number: int | None = session.scalar(
        _OPEN_NEW,
        {"key": condition.key, "kind": condition.kind, "title": condition.title, "told": "\n".join(condition.told),
         "link": condition.link, "now": now},
    )  # fmt: skip
    return number


_OPEN_NEW = text(
    "INSERT INTO alerts (key, kind, title, told, link, opened_at) VALUES (:key, :kind, :title, :told, :link, :now)"
    " ON CONFLICT (key) WHERE closed_at is null DO NOTHING RETURNING id"
).bindparams(bindparam("now", type_=Moment()))


def end(session: Session, ids: Collection[int], now: datetime) -> int:
    """End alerts whose cause is over; the number ended. Each of those causes may be told anew from now on."""
    ended = session.execute(update(Alert).where(Alert.id.in_(ids), _OPEN).values(closed_at=now))
    return int(ended.rowcount)  # type: ignore[attr-defined]


# ---- queries -----------------------------------------------------------------------------------------------


def standing(session: Session, limit: int = 1000) -> list[Alert]:
    """The open alerts, newest first."""
    return list(session.scalars(select(Alert).where(_OPEN).order_by(Alert.id.desc()).limit(limit)))
