"""A digest's letter before it goes out: as a preview, and as a test that is marked as one."""

from datetime import datetime

from sqlalchemy.orm import Session

from db import addresses
from db.deliveries import deliveries, tests_of_address
from db.digests import archive, digests, rule_history
from db.digests.digests import Digest, TestLetter
from db.digests.owed_slots import NOT_OWED
from db.rules import Refused
from db.session import reading
from db.settings import settings
from emails import letters
from emails.letters import Letter
from worker.digests import digest_content
from worker.letters.composing import frozen_letter, site


def draft_letter(slot: str, now: datetime) -> Letter:
    """The slot's letter as frozen, or as a freeze now would make it. Raises Refused when there is no content."""
    with reading() as session:
        digest = digests.by_slot(session, slot)
        if digest is not None and digest.html is not None and digest.text is not None:
            return frozen_letter(digest)
        digest = digest or Digest(slot=slot, due_at=rule_history.due_near(session, slot, now))
        compared = archive.new(session, max(now, digest.due_at))
        if not compared:
            raise Refused(f"Nothing is new for {slot}: import a comparison first.")
        return letters.digest(digest_content.content(session, digest, compared, now), site(settings()))


def _open_for_a_test(session: Session, slot: str, now: datetime) -> Digest:
    """The slot's digest; a new one is held if its hour is past and was not owed: the next tick would send a draft."""
    due, known = rule_history.due_near(session, slot, now), rule_history.owed_by(session, now, now)
    if due > now or not rule_history.history(session) or any(each.slot == slot for each in known):
        return digests.open_slot(session, slot, due, now)
    return digests.open_slot(session, slot, due, now, NOT_OWED)


def send_test(session: Session, slot: str, letter: Letter, address: str, now: datetime) -> TestLetter:
    """Queue the slot's letter, marked as a test, for one address; it shows no votes as somebody's own."""
    to, marked = addresses.normal(address), letters.test(letter).chosen()
    digest = _open_for_a_test(session, slot, now)
    asked = TestLetter(
        digest_id=digest.id, address=to, subject=marked.subject, preheader=marked.preheader,
        html=marked.html, text=marked.text, asked_at=now,
    )  # fmt: skip
    session.add(asked)
    session.flush()
    deliveries.owe(session, "test", asked.id, tests_of_address.person_of(to), now)
    return asked
