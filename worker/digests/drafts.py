"""Drafts: what the next digest would say, gathered again whenever that changes, held where an editor should look."""

from datetime import datetime

from sqlalchemy.orm import Session

from db.digests import archive, digests
from db.digests.digests import Digest
from db.digests.owed_slots import NOT_OWED
from worker.digests import digest_content

ARCHIVED_LATE = "the comparisons that it was held for were archived after its hour: release it to send it"


def refresh_drafts(session: Session, now: datetime) -> None:
    """Gather the content of every draft again, held ones too."""
    for digest in digests.listed(session, ("draft", "held")):
        gather(session, digest, now)


def gather(session: Session, digest: Digest, now: datetime) -> None:
    """Gather what the draft would say now, or None if nothing is new."""
    hold_passed_over(session, digest, now)
    compared = archive.new(session, max(now, digest.due_at))
    digest.content = digest_content.content(session, digest, compared, now).as_json() if compared else None


def hold_passed_over(session: Session, digest: Digest, now: datetime) -> bool:
    """Hold the digest if many comparisons that earlier releases passed over would stand in it. True if it is held.

    Once an editor has archived them, it goes at its hour; if that is past, an editor still has to release it.
    """
    found = archive.passed_over(session, max(now, digest.due_at))
    if len(found) > archive.MANY and (digest.state == "draft" or digest.reason == NOT_OWED or archive.holds(digest)):
        digest.state, digest.reason = "held", archive.reason(found)
    elif len(found) <= archive.MANY and archive.holds(digest):
        late = digest.due_at <= now
        digest.state, digest.reason = ("held", ARCHIVED_LATE) if late else ("draft", None)
    return digest.state == "held"
