"""Reads the inbox on the outside line: what is about letters of ours is stored, and deleted there once it was handled.

1. Mails behind the mark are read, one after the other, with no transaction open.
2. One that is proven to be about a letter of ours is stored, which queues its job, and stays in the inbox.
3. When that job has committed, the mail is deleted. A process that dies before reads the mail again, and knows it.
4. All else stays as it is, unread, and is not looked at again: answers of people, and what nothing proves to be ours.
"""

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from db import moments, rules
from db.feedback import events, inbox_jobs
from db.feedback.inbox_jobs import ReadInbox
from db.jobs import outside
from db.jobs.jobs import Job
from db.session import Session, reading, writing
from db.settings import settings
from emails.bounces import read as read_bounce
from emails.inboxes import Inbox, InboxError, Mail, Mark, open_inbox
from worker.feedback import proof
from worker.outside.result import Result
from worker.processes import ending

EVERY = timedelta(minutes=1)
SOON = timedelta(seconds=5)
"""When it is looked again while mails wait to be handled, and then to be deleted."""
SLICE = 20.0
"""Seconds of reading in one job; the next one goes on at once."""
LONGEST_WAIT = timedelta(minutes=15)
"""The longest back-off while the inbox cannot be read."""

LEFT_OVER_SECONDS = 600.0
_looked_for_left_over = 0.0

log = structlog.get_logger("inbox")


@dataclass
class _Memory:
    """What this process knows of mails that stay: which are no business of ours, and which wait to be handled."""

    left: set[str] = field(default_factory=set)
    waiting: dict[str, str] = field(default_factory=dict)
    """The keys of their events, by place."""

    def is_new(self, mail: Mail) -> bool:
        return mail.place not in self.left and mail.place not in self.waiting

    def forget_those_gone(self, mails: Iterable[Mail]) -> None:
        there = {each.place for each in mails}
        self.left &= there
        self.waiting = {place: key for place, key in self.waiting.items() if place in there}


_memory = _Memory()


def keep_reading() -> None:
    """See to it that one job reads the inbox, if there is one; asked at each look of the outside line."""
    if settings().inbox_url is None:
        return _forget_left_over()
    with reading() as session:
        if inbox_jobs.is_waiting(session):
            return None
    with writing() as session:
        inbox_jobs.owe_first(session, moments.now())
    return None


def _forget_left_over() -> None:
    """Remove now and then the job of an INBOX_URL that is set no more: nobody would do it."""
    global _looked_for_left_over
    if time.monotonic() - _looked_for_left_over > LEFT_OVER_SECONDS:
        _looked_for_left_over = time.monotonic()
        now = moments.now()
        with reading() as session:
            there = inbox_jobs.any_left_over(session, now)
        if there:
            with writing() as session:
                inbox_jobs.remove_left_over(session, now)


def read(job: Job) -> Result:
    """Read the inbox for a while, and queue the next time."""
    mark = Mark(**job.payload)
    try:
        with open_inbox(settings()) as inbox:
            reached, more = _look_through(inbox, mark)
    except InboxError as error:
        return Result(lambda session, now: _later(session, job, now), error)
    wait = timedelta(0) if more else SOON if _memory.waiting else EVERY
    request = ReadInbox(reached.validity, reached.uid)
    return Result(lambda session, now: inbox_jobs.owe_next(session, job, request, now + wait, now))


def _later(session: Session, job: Job, now: datetime) -> None:
    """However long it cannot be read, it is tried again: bounces wait there."""
    wait = min(rules.job_backoff(job.attempt, random.random()), LONGEST_WAIT)
    outside.put_off(session, job, now + wait)


def _look_through(inbox: Inbox, mark: Mark) -> tuple[Mark, bool]:
    """The mark up to which nothing has to be read again, and whether more is there to be read at once."""
    until = time.monotonic() + SLICE
    mails = inbox.mails(mark)
    _memory.forget_those_gone(mails)
    handled, looked_at, has_read = list[Mail](), list[Mail](), False
    for mail in mails:
        if _memory.is_new(mail):
            if has_read and (time.monotonic() > until or ending.asked()):
                break
            has_read = True
        looked_at.append(mail)
        if mail.place not in _memory.left and _is_handled(inbox, mail):
            handled.append(mail)
    if handled:
        inbox.delete(handled)
        for mail in handled:
            _memory.waiting.pop(mail.place, None)
        log.info("deleted what was handled", mails=len(handled))
    return _reached(inbox, mark, looked_at), len(looked_at) < len(mails)


def _reached(inbox: Inbox, mark: Mark, looked_at: Sequence[Mail]) -> Mark:
    """The last number before the first mail that waits to be handled."""
    start = mark.uid if mark.validity == inbox.validity else 0
    if not inbox.validity:
        return Mark()
    for mail in looked_at:
        if mail.place in _memory.waiting:
            break
        start = mail.number
    return Mark(inbox.validity, start)


def _is_handled(inbox: Inbox, mail: Mail) -> bool:
    """Whether the mail may be deleted. One that was never seen is read, and stored if it is ours."""
    key = _memory.waiting.get(mail.place) or _stored(inbox, mail)
    if key is None:
        return False
    with reading() as session:
        handled = events.is_handled(session, "inbox", key)
    if handled is None:  # its event was deleted for an erased person's sake, so the next one will keep no bytes
        _stored(inbox, mail)
    return bool(handled)


def _stored(inbox: Inbox, mail: Mail) -> str | None:
    """Read a mail, and store it if it is about a letter of ours. Returns its event's key."""
    raw = inbox.read(mail, events.LARGEST)
    if raw is None or not proof.is_ours(settings().keys, read_bounce(raw)):
        _memory.left.add(mail.place)
        return None
    key = events.key_of(raw)
    with writing() as session:
        events.record(session, "inbox", key, raw, moments.now())
    _memory.waiting[mail.place] = key
    return key
