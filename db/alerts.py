"""What needs a person, told once: an alert stays open until what it is about is over, and then can be told anew."""

from datetime import datetime

from sqlalchemy import Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from db.session import NEVER_REUSED, Key, Row

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
