"""The clock's schedule as data: each task, how often it runs, and why."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """A task and its period in seconds; its message expires after that, when the next one comes."""

    task: str
    queue: str
    every: float
    why: str


ENTRIES = (
    ScheduleEntry("votes.fold", "votes", 1, "a vote that no bell announced is counted within a second"),
    ScheduleEntry("jobs.work", "jobs", 2, "jobs whose bell was lost, whose back-off ended, or whose worker died"),
    ScheduleEntry("mail.send", "mail", 2, "letters whose bell was lost, that were deferred, or whose sender died"),
    ScheduleEntry("digests.tick", "jobs", 15, "slots that open, are due, are late or are finished"),
    ScheduleEntry("people.forget", "jobs", 60, "sign-ups that nobody confirmed in 14 days, and limits that are over"),
    ScheduleEntry("alerts.watch", "jobs", 60, "what needs a person, and what no longer does"),
)
"""Any number of clocks is harmless: a task that finds no work ends at once."""

BELLS = {"votes": "votes.fold", "jobs": "jobs.work", "mail": "mail.send", "digests": "digests.tick"}
"""The task that a commit wakes, by the queue it rings for."""


def entry_of(task: str) -> ScheduleEntry:
    return next(entry for entry in ENTRIES if entry.task == task)


def beat() -> dict[str, Any]:
    """The entries in Celery beat's format."""
    return {
        entry.task: {
            "task": entry.task,
            "schedule": entry.every,
            "options": {"queue": entry.queue, "expires": max(entry.every, 1)},
        }
        for entry in ENTRIES
    }
