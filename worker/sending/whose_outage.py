"""Whether a mail server that refuses this process refuses everybody, or only this host cannot reach it.

A refusal of all mail opens the breaker of all senders. One host with a bad connection to the mail server must not
do so while others send. Each sender's heartbeat tells when it last had a letter taken, and when it last failed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.monitoring import heartbeats
from db.monitoring.heartbeats import LATELY

UNDECIDED = timedelta(seconds=15)
"""How long other senders may neither have a letter taken nor fail before the refusal counts as everybody's: they look
every two seconds, and their heartbeats are written every five."""
LONGEST = 60.0
"""Up to how many seconds a process waits that is refused alone; its pauses grow from a few seconds."""


@dataclass
class OwnOutage:
    """One process's outage: the mail server has refused it, or all its letters, since `began`."""

    process: str
    """This process, as heartbeats name it."""
    began: datetime | None = None
    last: datetime | None = None
    """The refusal before this one; one of long ago belongs to another outage."""

    def is_over(self) -> None:
        """A connection was opened, or a letter was taken."""
        self.began = None

    def is_everybodys(self, session: Session, now: datetime) -> bool:
        """Whether the breaker should open: no other sender has had a letter taken since this outage began, and each of
        them has failed too, or has done neither for a while."""
        if self.last is not None and now - self.last > LATELY:
            self.began = None
        self.began, self.last = self.began or now, now
        others = [
            each for each in heartbeats.running(session, now) if each.kind == "sender" and each.process != self.process
        ]
        if any(each.taken_at and each.taken_at > self.began for each in others):
            return False
        return all(each.fails(now) for each in others) or now - self.began > UNDECIDED
