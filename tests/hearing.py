"""Letters that were sent, and what comes back after them."""

from datetime import datetime

from sqlalchemy import text

from db.feedback import consequences, feedback
from db.feedback.consequences import Heard
from db.feedback.feedback import Feedback
from db.session import reading, writing
from db.subscribers import imports
from tests.bouncing import readers
from worker.feedback import refusals

GONE = {"kind": "hard", "code": 550, "status": "5.1.1", "diagnostic": "550 5.1.1 no such user"}
FULL = {"kind": "soft", "code": 552, "status": "5.2.2", "diagnostic": "552 5.2.2 mailbox full"}
SWITCHED_OFF = {"kind": "soft", "code": 550, "status": "5.2.1", "diagnostic": "550 5.2.1 mailbox disabled"}
BLAMED = {"kind": "content", "code": 554, "status": "5.7.1", "diagnostic": "554 5.7.1 we do not like your letters"}
SPAM = {"kind": "complaint", "feedback": "abuse"}


def hear(clock, delivery: int, said: dict, event: int = 1) -> None:
    """What comes back after one letter, as a mail of the inbox tells it."""
    with writing() as session:
        heard = Heard(event=event, delivery=delivery, person=None, address=None, **said)
        consequences.apply(session, heard, clock.now, refusals.is_content)


def all_sent(clock, people: list[str], *, finished: bool = False) -> int:
    """A digest whose letters the mail server has taken, all of them; delivery n is the n-th reader's."""
    made = readers(clock, people)
    with writing() as session:
        taken = text("UPDATE deliveries SET state = 'sent', settled_at = :now, tries = 1")
        session.execute(taken, {"now": f"{clock.now:%Y-%m-%d %H:%M:%S}"})
        if finished:
            session.execute(text("UPDATE digests SET state = 'finished', finished_at = :now"),
                            {"now": f"{clock.now:%Y-%m-%d %H:%M:%S}"})  # fmt: skip
    return made


def reader(address: str, now: datetime) -> str:
    """An active reader."""
    with writing() as session:
        imports.add_imported(session, {address: None}, "fair", "f.csv", now)
    return "subscriber:1"


def sent(clock, about: int, person: str = "subscriber:1", letter: str = "digest", state: str = "sent") -> int:
    """One more letter, sent now. Its number."""
    row = {"letter": letter, "about": about, "person": person, "state": state}
    with writing() as session:
        return session.scalar(_SENT, row | {"now": f"{clock.now:%Y-%m-%d %H:%M:%S}"})


_SENT = text(
    "INSERT INTO deliveries (letter, about, person, state, not_before, tries, created_at, settled_at)"
    " VALUES (:letter, :about, :person, :state, :now, 1, :now, :now) RETURNING id"
)


def came_back(person: str = "subscriber:1") -> list[Feedback]:
    with reading() as session:
        return feedback.of_person(session, person)
