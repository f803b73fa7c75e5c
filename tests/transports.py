"""A digest that is being sent, and a fake transport whose outcomes the test decides."""

import threading
import time
from collections.abc import Callable

from sqlalchemy import text

from db.deliveries import accounts, addressing, deliveries, exceptions
from db.deliveries.exceptions import DeliveryFilter
from db.digests import digests, schedule
from db.session import reading, writing
from db.subscribers import audiences
from emails.letters import mark
from emails.replies import Following, Meanwhile, Outcome, Outgoing, judge
from worker.sending import send_slice, slice_run

SLOT = "2026-W47"


class Transport:
    """A fake transport that returns the outcomes that the test sets and records the letters that it gets. It asserts
    that a letter pipelined ahead is the next one sent."""

    certain = False

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.answer: Callable[[str, int], Outcome] = lambda to, number: judge("dot", 250, "2.0.0 taken")
        self.shut: Outcome | None = None
        self._announced = threading.local()  # each connection has its own
        self.closed = 0

    @property
    def announced(self) -> Outgoing | None:
        return getattr(self._announced, "letter", None)

    def connect(self) -> Outcome | None:
        return self.shut

    def send(self, letter: Outgoing, following: Following, meanwhile: Meanwhile) -> Outcome:
        assert self.announced in (None, letter)
        self._announced.letter = following()
        self.sent.append((letter.to, letter.message))
        meanwhile()
        outcome = self.answer(letter.to, len(self.sent))
        if outcome.stage != "dot" or outcome.kind == "unknown":
            self._announced.letter = None  # its commands were never sent, or were lost with the connection
        return outcome

    def close(self) -> None:
        self._announced.letter = None
        self.closed += 1


def digest(clock, readers: int = 20) -> int:
    """Create a digest that is being sent to this many readers. Returns its id."""
    html = f'<a href="/unsubscribe/{mark("UNSUBSCRIBE")}">Leave</a> since {mark("SINCE")}'
    with writing() as session:
        for number in range(1, readers + 1):
            session.execute(
                text(
                    "INSERT INTO subscribers (address, address_key, state, created_at, confirmed_at, joined)"
                    " VALUES (:address, :address, 'active', :now, :now, 0)"
                ),
                {"address": f"reader-{number}@reader.example", "now": "2026-11-01 09:00:00"},
            )
        taken = audiences.count_audience(session, clock.now)
        made = digests.open_slot(session, SLOT, schedule.of_digests().due(SLOT), clock.now)
        digests.freeze(
            session, made, [], content={}, subject="s", preheader="p", html=html, text=html, frozen_at=clock.now,
            cutoff=clock.now, freeze=taken.number, audience=taken.audience,
        )  # fmt: skip
        while addressing.address(session, made, clock.now):
            pass
        digests.begin(session, made)
    return made.id


def run(seconds: float = 60) -> bool:
    """Run a slice: whether letters are left that may be sent at once. False if it could not begin, too."""
    try:
        return send_slice.run_slice(time.monotonic() + seconds)
    except slice_run.SliceFailed:
        return False


def states() -> dict[str, int]:
    with reading(snapshot=True) as session:
        account = accounts.account(session, digests.get(session, SLOT))
    assert account.holds
    return {state: number for state, number in account.states.items() if number}


def rows(state: str) -> list[deliveries.Delivery]:
    with reading() as session:
        return [each for each, _ in exceptions.listed(session, digests.get(session, SLOT), DeliveryFilter((state,)))]


def state() -> str:
    with reading() as session:
        return digests.get(session, SLOT).state
