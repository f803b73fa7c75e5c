"""The health strip and the counts in the menu: what is up, what is slow, what failed."""

import time
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from db.jobs import Job


@dataclass(frozen=True, slots=True)
class Sign:
    """One field of the strip: a label, a state in words, some small print; `level` is good, warn or bad."""

    label: str
    word: str
    small: str = ""
    level: str = "good"

    @property
    def sign(self) -> str:
        return {"good": "✓", "warn": "!", "bad": "✕"}[self.level]


def strip(session: Session, now: datetime) -> list[Sign]:  # noqa: ARG001
    """What stands under the header of every page."""
    began = time.perf_counter()
    session.execute(text("SELECT 1"))
    took = (time.perf_counter() - began) * 1000
    dead = _dead(session)
    return [
        Sign("Database", f"{took:.0f} ms", level="good" if took < 100 else "warn"),
        Sign("Failed jobs", f"{dead:,}", level="bad" if dead else "good"),
    ]


def counts(session: Session, now: datetime) -> dict[str, str]:  # noqa: ARG001
    """What stands beside a page's name in the menu, by endpoint; nothing beside those that are not named."""
    dead = _dead(session)
    return {"operator.jobs": f"{dead:,}"} if dead else {}


def _dead(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Job).where(text("state = 'dead'"))) or 0
