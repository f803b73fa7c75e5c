"""Once a digest has finished, letters that mailboxes refused while it was sent are counted as soft bounces."""

from db import moments
from db.deliveries import exceptions
from db.deliveries.deliveries import Delivery
from db.deliveries.exceptions import DeliveryFilter
from db.digests.digests import Digest
from db.feedback import consequences
from db.feedback.consequences import Heard
from db.jobs.events import DigestFinished, Event
from db.session import writing
from emails.replies.whose import status_in
from worker.feedback import refusals
from worker.people.erasure import Following

PAGE = 100
"""Letters of one transaction: SQLite's write lock is held for some ten milliseconds."""
_THEIRS = ("mailbox", "domain")
_FAILED = DeliveryFilter(("failed",))


def count_soft_failures(event: Event) -> list[Following]:
    """Count those of one digest. Counting them again changes nothing."""
    assert isinstance(event, DigestFinished)
    last: int | None = 0
    while last is not None:
        last = _page(event.digest, last)
    return []


def _page(digest_id: int, after: int) -> int | None:
    """Count the next page, behind the letter with that number. Returns the last one's; None at the end."""
    with writing() as session:
        digest = session.get(Digest, digest_id)
        rows = exceptions.page(session, digest, _FAILED, after, PAGE) if digest else []
        for row in rows:
            if _is_theirs(row):
                consequences.apply(session, _heard(row), moments.now(), refusals.is_content)
        return rows[-1].id if rows else None


def _is_theirs(row: Delivery) -> bool:
    """Whether the last reply says that the mailbox, or its domain, does not take mail now."""
    return refusals.whose(row) in _THEIRS


def _heard(row: Delivery) -> Heard:
    reply = row.reply or ""
    return Heard("soft", None, row.id, row.person, None, row.code, status_in(reply), reply)
