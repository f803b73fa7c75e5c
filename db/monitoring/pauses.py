"""Paused queues, and why each is paused."""

from datetime import datetime

from sqlalchemy import Text, delete, exists, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.guard import Guard
from db.masking import masked_in
from db.register import FreeText, OperatorAddress, Plain
from db.rules import Refused
from db.session import Row, is_sqlite, ring

QUEUES = ("votes", "jobs", "mail", "outside")


class Pause(Row):
    """A queue whose work waits until an operator resumes it."""

    __tablename__ = "queue_pauses"

    queue: Mapped[Plain] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[OperatorAddress]
    reason: Mapped[FreeText] = mapped_column(Text)


def pause(session: Session, queue: str, reason: str, actor: str, now: datetime) -> None:
    """Pause a queue with a reason. Raises Refused without a reason, or if it is paused already."""
    _known(queue)
    if not reason.strip():
        raise Refused("Say why; the reason stands on every page until the queue is resumed.")
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    row = {"queue": queue, "at": now, "actor": actor, "reason": masked_in(reason.strip())}
    made = session.scalar(insert(Pause).values(**row).on_conflict_do_nothing().returning(Pause.queue))
    if made is None:
        held = session.get(Pause, queue)
        by = f" by {held.actor}: {held.reason}" if held else ""
        raise Refused(f"Queue {queue} is paused already{by}")


def resume(session: Session, queue: str) -> Pause:
    """Resume a queue. Returns the pause that ended. Raises Refused if it is not paused."""
    _known(queue)
    held = session.get(Pause, queue, with_for_update=True)
    if held is None or session.execute(delete(Pause).where(Pause.queue == queue)).rowcount != 1:  # type: ignore[attr-defined]
        raise Refused(f"Queue {queue} is not paused.")
    ring(session, queue)
    return held


def _known(queue: str) -> None:
    if queue not in QUEUES:
        raise Refused(f"There is no queue {queue!r}; there are {', '.join(QUEUES)}.")


# ---- queries -----------------------------------------------------------------------------------------------


def paused(session: Session) -> list[Pause]:
    """The pauses, in the order of the queues."""
    return sorted(session.scalars(select(Pause)), key=lambda each: QUEUES.index(each.queue))


def is_paused(session: Session, queue: str) -> bool:
    """Whether the queue is paused, or stands still because the database is a copy that nobody has confirmed yet."""
    paused = exists().where(Pause.queue == queue)
    guarded = exists().where(Guard.lifted_at.is_(None))
    return bool(session.scalar(select(paused if queue == "votes" else or_(paused, guarded))))
