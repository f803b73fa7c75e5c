"""The kinds of work as data: which queue they belong to, how often somebody looks for them, and why."""

from dataclasses import dataclass
from typing import Any

LIMIT, SENDER_LIMIT = 150.0, 420.0
"""Seconds after which a look hangs and its process ends. A sender may wait 300 s for the reply after the final dot (RFC
5321 4.5.3.2.6) and must live to record it."""


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """A kind of work: each process of its queue looks for it every so many seconds, and the clock rings for it."""

    task: str
    queue: str
    every: float
    rings: float
    why: str
    limit: float = LIMIT


ENTRIES = (
    ScheduleEntry("votes.fold", "votes", 2, 15, "votes that no bell announced"),
    ScheduleEntry("jobs.work", "jobs", 2, 15, "jobs whose bell was lost, whose back-off ended, or whose worker died"),
    ScheduleEntry(
        "mail.send",
        "mail",
        2,
        15,
        "letters whose bell was lost, that were deferred, or whose sender died",
        SENDER_LIMIT,
    ),
    ScheduleEntry(
        "outside.work", "outside", 2, 15, "requests whose bell was lost, whose back-off ended, or whose line died"
    ),
    ScheduleEntry("digests.tick", "jobs", 15, 15, "slots that open, are due, are late or are finished"),
    ScheduleEntry(
        "people.forget",
        "jobs",
        60,
        60,
        "sign-ups to remind of, and what was kept for its time: sign-ups, jobs, letters",
    ),
    ScheduleEntry("alerts.watch", "jobs", 60, 60, "what needs a person, and what no longer does"),
)
"""Any number of processes and clocks is harmless: a look that finds no work ends at once. The clock rings more rarely
than the processes look, since its rings only wake a process that is free."""

BELLS = {
    "votes": "votes.fold",
    "jobs": "jobs.work",
    "mail": "mail.send",
    "digests": "digests.tick",
    "outside": "outside.work",
}
"""The task that a commit wakes, by the queue it rings for."""


def entry_of(task: str) -> ScheduleEntry:
    return next(entry for entry in ENTRIES if entry.task == task)


def beat() -> dict[str, Any]:
    """The clock's rings in Celery beat's format. No message expires: the hosts' clocks may differ."""
    return {
        entry.task: {"task": entry.task, "schedule": entry.rings, "options": {"queue": entry.queue}}
        for entry in ENTRIES
    }
