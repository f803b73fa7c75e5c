"""Actions that pause and resume queues, shared by console and commands."""

from datetime import datetime

from db.monitoring import pauses
from db.operators import audit
from db.operators.audit import Actor
from db.session import writing

GOES_ON = {
    "jobs": " Digests still open and freeze on time.",
    "votes": " Votes are still taken; a digest that freezes counts those on its own tools.",
    "mail": " A slice that is being sent ends within ten seconds.",
    "outside": " Votes, mail and jobs go on; a request that was begun ends within ten seconds.",
}
"""What continues while a queue is paused."""


def pause(actor: Actor, queue: str, reason: str, now: datetime) -> None:
    """Pause a queue with a reason. Raises Refused without a reason, or if it is paused already."""
    with writing() as session:
        pauses.pause(session, queue, reason, actor.name, now)
        audit.record(session, actor, "queue.pause", now, about=f"queue {queue}", count=1, note=reason)


def resume(actor: Actor, queue: str, now: datetime, note: str | None = None) -> None:
    """Resume a paused queue. Raises Refused when it is not paused."""
    with writing() as session:
        held = pauses.resume(session, queue)
        before = {"paused at": held.at.isoformat(), "by": held.actor, "reason": held.reason}
        audit.record(session, actor, "queue.resume", now, about=f"queue {queue}", count=1, before=before, note=note)
