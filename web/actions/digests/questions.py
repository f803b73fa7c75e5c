"""What a dangerous step on a digest will do, and to how many: asked by the console and by commands."""

from datetime import datetime

from db.digests import archive, digests
from db.rules import Refused
from db.session import reading
from db.subscribers import subscribers
from web.actions.digests import digests as actions
from web.actions.digests import send_time
from worker.digests import by_hand


def of_sending(slot: str, now: datetime, late: bool = False) -> tuple[str, int]:
    """The sentence, and the number of people. Raises Refused where the slot could not be sent."""
    number = actions.to_send(slot, now, late)
    sentence = (
        f"The digest {slot} is frozen as it stands at that moment, and goes to {counted(number, 'person', 'people')}. "
        f"What has gone cannot be called back. {send_time.sentence(number, now)}"
    )
    return sentence.rstrip(), number


def of_skipping(slot: str, now: datetime) -> str:
    """Raises Refused where the slot cannot be skipped."""
    with reading() as session:
        state = digests.state_of(session, slot)
        actions.check_slot(session, slot, now)
        before, after = digests.MOVES["skip"]
        if state and state not in (*before, after):
            raise Refused(f"Digest {slot} is {state}; skip works while it is {' or '.join(before)}.")
        people = counted(subscribers.active(session), "subscriber", "subscribers")
        compared = len(archive.new(session, now))
    waits = f"{counted(compared, 'comparison', 'comparisons')} wait{'s' if compared == 1 else ''} for the next digest."
    return f"Nothing is sent for {slot}: none of {people} gets a letter for it. {waits if compared else ''}".rstrip()


def of_cancelling(slot: str) -> tuple[str, int]:
    """The sentence, and the number of letters. Raises Refused where the digest cannot be cancelled."""
    with reading() as session:
        number = actions.to_cancel(session, slot)
    return f"{counted(number, 'letter', 'letters')} will never be sent. This cannot be taken back.", number


def why_early(slot: str, now: datetime) -> str:
    """Why sending it now needs a reason; empty if it needs none."""
    with reading() as session:
        return by_hand.why_early(session, slot, now)


def why_early_release(slot: str, now: datetime) -> str:
    """Why releasing it now needs a reason; empty if it needs none."""
    with reading() as session:
        found = digests.by_slot(session, slot)
        return by_hand.why_early_release(session, found, now) if found else ""


def sent_to(people: int, now: datetime) -> str:
    """That a digest goes out to so many people now, or what is missing for that; without a full stop."""
    with reading() as session:
        missing = by_hand.nobody_sends(session, now)
    to = counted(people, "person", "people")
    return f"frozen for {to}; {missing}" if missing else f"sending to {to}"


def counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
