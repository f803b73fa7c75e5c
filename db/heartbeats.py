"""Which processes are alive, and what each did lately. Every process writes its own row, so none waits for another."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from db.session import Row


class Heartbeat(Row):
    """One process's last sign of life: `done` pieces of work in the last `seconds` that it worked."""

    __tablename__ = "heartbeats"
    __table_args__ = (Index("ix_heartbeats_at", "at"),)

    process: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    started_at: Mapped[datetime]
    at: Mapped[datetime]
    done: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)
