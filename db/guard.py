"""The guard: a database that is a copy of another sends nothing until somebody confirms that it takes over.

The copy may be behind: readers may have left since, and letters that it takes for owed may have gone out. The row
travels inside every back-up, so the guard stands before the first process can read the restored database.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.register import Plain
from db.rules import Refused
from db.session import NEVER_REUSED, BigId, Key, Row

HOW = ("back-up", "copy", "moved")
"""From a back-up file; by `verdicts db copy`; or this database was the old one, and another has taken over."""


class Guard(Row):
    """One time that the database became a copy, or was left for one; it stands until it is lifted."""

    __tablename__ = "guards"
    __table_args__ = (NEVER_REUSED,)

    id: Mapped[Key]
    how: Mapped[Plain]
    copied_at: Mapped[datetime]
    """The instant that the copy shows; of a database that was left, when that was."""
    last_delivery: Mapped[int] = mapped_column(BigId)
    last_job: Mapped[int] = mapped_column(BigId)
    """The highest ids at that instant: what came later was made here, and cannot have been done elsewhere."""
    lifted_at: Mapped[datetime | None]

    @property
    def told(self) -> str:
        """What stands, in one sentence with what to do."""
        when = f"{self.copied_at:%Y-%m-%d %H:%M} UTC"
        if self.how == "moved":
            return f"Another database took over on {when}, so nothing is sent from here. If it shall send again, {_RUN}"
        made = "restored from a back-up" if self.how == "back-up" else "copied from another database"
        return f"This database was {made} of {when} and sends nothing until somebody confirms it: {_RUN}"


_RUN = "run: verdicts restore confirm"


def standing(session: Session) -> Guard | None:
    """The guard that stands, the newest of several; None if this database may send."""
    query = select(Guard).where(Guard.lifted_at.is_(None)).order_by(Guard.id.desc()).limit(1)
    return session.scalars(query).first()


def last_ids(session: Session) -> tuple[int, int]:
    """The highest ids of a delivery and of a job."""
    last = (session.scalar(text(f"SELECT max(id) FROM {table}")) or 0 for table in ("deliveries", "jobs"))
    return next(last), next(last)


def refuse(session: Session) -> None:
    """Raise Refused while the guard stands."""
    if found := standing(session):
        raise Refused(found.told)


def stand(session: Session, how: str, at: datetime, last_delivery: int, last_job: int) -> None:
    """Put the guard up."""
    assert how in HOW
    session.add(Guard(how=how, copied_at=at, last_delivery=last_delivery, last_job=last_job))


def lift(session: Session, now: datetime) -> None:
    """Lift every guard that stands."""
    session.execute(update(Guard).where(Guard.lifted_at.is_(None)).values(lifted_at=now))


# ---- what a worker may do meanwhile --------------------------------------------------------------------------

UNGUARDED: Collection[str] = ("votes.fold", "alerts.watch")
"""The looks that go on in a copy: votes are counted, and the console says what stands. All others send, open, freeze,
run jobs or delete."""
