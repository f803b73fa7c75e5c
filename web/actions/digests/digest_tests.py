"""Test letters: to operators' own addresses at any time, to others a few times a day, and all of them audited."""

from datetime import datetime, timedelta

from db import addresses, limits
from db.masking import masked
from db.operators import audit, operators
from db.operators.audit import Actor
from db.rules import Refused
from db.session import Session, writing
from db.subscribers import suppressions
from worker.digests import digest_previews

DAY = timedelta(days=1)
EACH, ALL = 5, 20
"""How many test letters one operator, and all of them, may send in any 24 hours to addresses that are not operators'.
They are meant for a colleague or an author who should see the letter first: more than a handful would be a mailing to
people who never asked, and a stolen login must not send mail to the world."""


def send_test(actor: Actor, slot: str, address: str, now: datetime, *, note: str | None = None) -> int | None:
    """Send the slot's letter, marked as a test, to one address. Returns how many more the actor may send in these 24
    hours to addresses that are not operators'; None for an operator's address. Raises Refused over a limit.

    The audit log has the address masked and as a keyed hash, because nothing there can be erased.
    """
    to = addresses.normal(address)
    letter = digest_previews.draft_letter(slot, now)
    with writing() as session:
        left = None if operators.signs_in_with(session, to) else _count(session, actor, to, now)
        asked = digest_previews.send_test(session, slot, letter, to, now)
        after = {"test_letter": asked.id, "to": masked(to), "address": addresses.hashes_of(to)[0][:12],
                 "counted": left is not None}  # fmt: skip
        audit.record(session, actor, "digest.test", now, about=f"digest {slot}", count=1, after=after, note=note)
    return left


def left_in_words(left: int) -> str:
    """How many more tests may go to addresses that are not operators'."""
    return f"you can send {left} more to such addresses within 24 hours" if left else "it was the last for 24 hours"


def _count(session: Session, actor: Actor, address: str, now: datetime) -> int:
    """Count a test to somebody else. Returns how many more the actor may send."""
    if suppressions.of_address(session, address) is not None:
        raise Refused("That address is on the suppression list, so no test goes there either.")
    everybody = limits.lock(session, "test letters", "everybody", DAY, now)
    own = limits.lock(session, "test letters", f"by {actor.name}", DAY, now)
    for bucket, most, whose in ((own, EACH, "one operator sends"), (everybody, ALL, "all operators together send")):
        wait = bucket.wait(most, DAY, now)
        if wait is not None:
            raise Refused(
                f"In 24 hours, {whose} at most {most} test letters to addresses that are not operators’ own. The next "
                f"one can go at {now + wait:%H:%M} UTC on {now + wait:%Y-%m-%d}. Tests to your own console "
                "address are not counted."
            )
        bucket.take(DAY, now)
    return min(EACH - len(own.taken), ALL - len(everybody.taken))
