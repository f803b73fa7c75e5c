"""What worker/sending/send_batch.py says is true between any two lines of its protocol, looked at before each line."""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from db.deliveries.claiming import settlements
from db.session import writing
from db.subscribers import subscriptions
from emails.replies import Outcome, judge
from tests.transports import Transport, digest, run, states
from worker.sending import batch_claim, send_batch
from worker.sending.send_batch import BatchSend

WINDOW, READERS = 4, 24
ANSWERS = (
    *[judge("dot", 250, "2.0.0 taken")] * 8,
    judge("rcpt", 550, "5.1.1 no such user"),
    judge("rcpt", 450, "4.2.0 greylisted"),
    judge("dot", 554, "5.7.1 spam"),
    judge("dot", 451, "4.3.0 try again"),
    Outcome("unknown", None, "no answer in time", "dot", "relay"),
    Outcome("relay", None, "the server closed the connection", "data", "relay"),
)


@contextmanager
def before_each_line(look: Callable[[Any, str], None]) -> Iterator[None]:
    """Look at the batch (BatchSend or BatchClaim) before each line of theirs."""

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in (send_batch.__file__, batch_claim.__file__):
            return None
        if event == "line" and "self" in frame.f_locals:
            look(frame.f_locals["self"], f"{frame.f_code.co_name}, line {frame.f_lineno}")
        return trace

    traced = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(traced)


class Watch:
    """Looks at the state of a batch, and notes which promises do not hold where."""

    def __init__(self, door: Transport) -> None:
        self.door, self.batch = door, None
        self.broken, self.seen = set[str](), set[str]()

    def look(self, sending: Any, where: str) -> None:
        if not isinstance(sending, BatchSend):
            return
        claim, hand = sending.claim, sending.hand
        if self.batch is not claim.batch:
            self.batch, self.settled = claim.batch, set[int]()
            self.begun = len(self.door.sent)
            self.consent = {letter.id for letter in claim.batch.letters[:WINDOW]}
        begun = [int(to.split("@")[0].split("-")[1]) for to, _ in self.door.sent[self.begun :]]
        known, awaited = [each.id for each in claim.known], self._awaited()
        in_hand = hand.letter.id if hand and not hand.noted else 0
        last = hand.letter.id if hand else 0
        self._check(where, {
            "only the letter in hand is in doubt": {*begun} <= {*known, *self.settled, last},
            "no more than the window": len({*known, in_hand} - {0}) <= WINDOW,
            "in the order of the ids": begun == sorted({*begun}) and known == sorted({*known}),
            "no later letter was begun": max(begun, default=0) <= last,
            "the server waits for a later letter": sending._awaited == 0 or sending._awaited > last,
            "and for no other": awaited in (0, in_hand, sending._awaited),
            "and it does wait": in_hand or "disconnect" in where or awaited == sending._awaited,
            "consent": not in_hand or in_hand in self.consent,
            "nothing without a claim": not in_hand or claim.stage == "begun",
        })  # fmt: skip

    def _awaited(self) -> int:
        return int(self.door.announced.name.split("-")[1]) if self.door.announced else 0

    def _check(self, where: str, promises: dict[str, bool]) -> None:
        self.seen.add(where)
        self.broken |= {f"{promise}: {where}" for promise, holds in promises.items() if not holds}


@pytest.fixture
def watch(door, monkeypatch):
    watched, settle = Watch(door), settlements.settle

    def settling(driver, batch, known, group, *given):
        gone = settle(driver, batch, known, group, *given)
        watched.settled |= {each.id for each in known}
        if group:
            watched.consent = {letter.id for letter in group} - {*(gone or {})}
        return gone

    monkeypatch.setattr(settlements, "settle", settling)
    return watched


@pytest.mark.once
@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_server_says_each_promise_holds_before_every_line(watch, door, clock, setting, seed):
    setting(SEND_WINDOW=WINDOW, SEND_CONNECTIONS=1)
    dice = random.Random(seed)
    digest(clock, READERS)

    def answer(to: str, number: int) -> Outcome:
        if dice.random() < 0.2:
            with writing() as session:
                subscriptions.leave(session, dice.randint(1, READERS), "link", clock.now)
        return dice.choice(ANSWERS)

    door.answer = answer
    with before_each_line(watch.look):
        run()
    assert not watch.broken
    assert len(watch.seen) > 50, "the lines of the protocol were not traced"
    assert sum(states().values()) == READERS


@pytest.mark.once
def test_an_error_before_any_line_leaves_one_letter_in_doubt_at_most(door, clock, setting):
    setting(SEND_WINDOW=WINDOW, SEND_CONNECTIONS=1)
    digest(clock, 60)
    broken_off_at = set[str]()

    def once(_: object, where: str) -> None:
        if where not in broken_off_at:
            broken_off_at.add(where)
            raise SystemExit

    ended, doubt = False, 0
    while not ended:
        with before_each_line(once):
            try:
                run()
                ended = True
            except SystemExit:
                pass
        found = states()
        assert found.get("unknown", 0) - doubt <= 1
        assert found.get("sent", 0) + found.get("unknown", 0) >= len(door.sent), "no letter that was sent is sent again"
        doubt = found.get("unknown", 0)
    assert len(broken_off_at) > 50
    assert len({to for to, _ in door.sent}) == len(door.sent)
    assert states() == {"sent": 60 - doubt} | ({"unknown": doubt} if doubt else {})
