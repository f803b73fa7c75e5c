"""Sends one batch: begins its letters in the order of their ids, and settles whenever the window is full.

The next letter's commands are pipelined behind the current letter once nothing can come between the two, so a letter
costs one round trip, and the sender composes and signs while the server processes the letter before.
"""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from db import moments
from db.deliveries import breakers, claims, settlements, stops
from db.deliveries.claims import Batch, ClaimedLetter
from db.deliveries.settlements import Fenced, Settlement
from db.driver import DriverConnection
from db.masking import masked_of
from db.settings import settings
from emails.transports import Outcome, Outgoing, Transport, transport_name
from worker import ending, heartbeats, stop_rules, turns
from worker.letters import BatchComposer
from worker.pace import Pace
from worker.reply_history import ReplyHistory
from worker.settling import deferred, put_off, relay_backoff, settlement
from worker.stop_rules import Memory

log = structlog.get_logger("mail")


class BreakerOpen(Exception):
    """The mail server refuses all mail of this process: stop, without using up any letter's attempts. It holds the
    reply."""


def trip(reply: str, *, answered: bool = False) -> None:
    """Open the mail server's circuit breaker, and store its reply.

    If the server took letters just before, this is a new outage, and its back-off starts anew.
    """
    name = transport_name(settings().mail_url)
    with turns.writing() as session:
        if answered:
            breakers.answered(session, name)
        breaker = breakers.refused(session, name, reply, moments.now(), relay_backoff(reply))
    log.error("relay refuses", breaker=breaker.name, reply=reply, until=breaker.open_until.isoformat())


@dataclass
class Slice:
    """The state that one process's connections share until `end` (monotonic seconds)."""

    end: float
    pace: Pace
    history: ReplyHistory
    stopped: bool = False
    broken: bool = False
    """Whether a batch was broken off: nothing is claimed until it is written."""
    answered: bool = False
    lease: timedelta = field(default_factory=lambda: timedelta(seconds=settings().send_lease))

    @property
    def over(self) -> bool:
        return self.stopped or self.broken or ending.asked() or time.monotonic() >= self.end


@dataclass
class BatchSend:
    """One batch over one connection. The letters begun since the last settlement never exceed the claim's window."""

    slice: Slice
    transport: Transport
    driver: DriverConnection
    batch: Batch
    composer: BatchComposer
    begun: list[Settlement] = field(default_factory=list)
    gone: dict[int, str] = field(default_factory=dict)
    """Which letters up to the next settlement may no longer be sent, with the reason."""
    announced: int = 0
    """The id of the letter that the transport was given to send next; 0 without one."""
    in_hand: ClaimedLetter | None = None
    heard: Outcome | None = None
    """The transport's outcome for the current letter, before the reply history adjusts it."""
    last: int = 0
    sent: int = 0
    """How many letters the server was given as a whole, or may have been: they count against SEND_DAILY."""
    is_begun: bool = False
    """Whether the claim may count its window already. Until then no letter is begun."""
    fenced: bool = False
    tripped_by: str | None = None
    confirmed: float = field(default_factory=time.monotonic)
    memory: Memory = field(init=False)

    def __post_init__(self) -> None:
        self.memory = self.slice.history.memories.of(self.batch)

    def go(self) -> None:
        """Send the batch in the order of its ids, end its claim. Raises BreakerOpen if the server refuses all mail."""
        try:
            self._begin_claim()
            self._all()
        except Fenced:
            self.fenced = True
        finally:
            self._take_back()
        self._give_back(self.driver)
        if self.tripped_by is not None:
            raise BreakerOpen(self.tripped_by)

    def _begin_claim(self) -> None:
        self.is_begun = True  # even if the answer is lost
        settlements.begin(self.driver, self.batch, self.slice.lease, moments.now())

    def _all(self) -> None:
        rest = self.batch.letters
        group = self._next(rest)  # the claim has just re-read consent for the first letters
        while group and self.tripped_by is None and (not self.slice.over or group[0].id == self.announced):
            for at in range(len(group)):
                if not self._begin(rest[at : at + 3]):
                    break
            rest = rest[len(group) :]
            group = self._next(rest)
            gone = self._settle(group)
            if gone is None:
                return
            self.gone = gone

    def _next(self, rest: Sequence[ClaimedLetter]) -> Sequence[ClaimedLetter]:
        """The next group: no more letters than the window allows before a settlement."""
        return rest[: min(self.slice.pace.window, self.batch.win or self.slice.pace.window)]

    def _begin(self, upcoming: Sequence[ClaimedLetter]) -> bool:
        """Begin the first of these letters if it may be sent now. False when no further letter may begin."""
        letter, *after = upcoming
        if letter.id in self.gone:
            if letter.id == self.announced:
                self._take_back()
            self.begun.append(Settlement(letter.id, "skipped", self.gone[letter.id], tried=0))
            return True
        if (
            letter.id != self.announced
        ):  # the server already waits for an announced one: better to send it than to disconnect
            until = self.slice.history.shut_until(letter.address, moments.now())
            reason = "its domain defers"
            if self.memory.is_held(letter.address):
                until, reason = moments.now() + stops.ASKED_AGAIN, stops.REASON
            if until is not None:
                self.begun.append(Settlement(letter.id, "deferred", reason, not_before=until, tried=0))
                return True
            if self.slice.over:
                return False
        return self._send(letter, after)

    def _take_back(self) -> None:
        """Disconnect: the announced letter will not be sent, and the server would take any other letter for it."""
        if self.announced:
            self.transport.close()
            self.announced = 0

    def _send(self, letter: ClaimedLetter, after: Sequence[ClaimedLetter]) -> bool:
        """Send one letter and record its outcome. False when no further letter may begin.

        A later letter is composed while the server processes this one: signing takes about as long as its reply.
        """
        if wait := self.slice.pace.wait():
            time.sleep(wait)
        if time.monotonic() - self.confirmed > self.slice.lease.total_seconds() / 3:
            # This also extends the lease, so that fewer letters end in doubt. No letter is sent twice even without it.
            self._settle()
        try:
            outgoing = self.composer.compose(letter)
        except Exception as error:  # one letter that cannot be composed must not block all others
            log.exception("letter cannot be composed", delivery=letter.id)
            reply = masked_of(f"{type(error).__name__}: {error}"[:500], letter.address)
            self.begun.append(deferred(letter, "cannot be composed", moments.now(), None, reply))
            return True
        before, self.in_hand, self.last, self.announced = self.last, letter, letter.id, 0
        outcome = self._handed_over(letter, outgoing, after)
        self.sent += outcome.kind in ("sent", "unknown") or outcome.stage == "dot"
        if outcome.kind == "relay":
            self.tripped_by, self.last = outcome.reply, before
        else:
            self.slice.answered |= outcome.kind == "sent"
            if self.batch.digest_id is not None:
                self.memory.note(letter.address, outcome)
            self.begun.append(self._settlement(letter, outcome))
            if outcome.kind == "unknown" and self.slice.history.loses_answers:
                self.tripped_by = f"no answer to letters: {outcome.reply}"
        self.in_hand = self.heard = None
        return self.tripped_by is None and not self.memory.stopped

    def _settlement(self, letter: ClaimedLetter, outcome: Outcome) -> Settlement:
        tried = self.composer.fingerprints.get(letter.id)
        if outcome.kind == "deferred" and outcome.whose in ("sender", "relay"):
            return put_off(letter, outcome, self.slice.history.times_put_off(letter), moments.now(), tried)
        return settlement(letter, outcome, moments.now(), tried)

    def _handed_over(self, letter: ClaimedLetter, outgoing: Outgoing, after: Sequence[ClaimedLetter]) -> Outcome:
        """The current letter's outcome, adjusted by the reply history."""
        began, composing = time.monotonic(), self.composer.took
        said = self.transport.send(outgoing, lambda: self._announce(after[:1]), lambda: self._compose_ahead(after))
        # Servers quote the recipient. Whoever is erased while the letter is under way must not come back in a reply.
        self.heard = outcome = replace(said, reply=masked_of(said.reply, letter.address))
        if ending.is_broken_off():
            raise ending.BrokenOff  # it was this process that cut the connection, so the mail server is not to blame
        if outcome.stage != "dot" or outcome.kind == "unknown":
            self.announced = 0  # its commands would have been sent with this letter, or were lost with the connection
        self.slice.pace.took(time.monotonic() - began - (self.composer.took - composing))
        return self.slice.history.weigh(letter, outcome)

    def _announce(self, next_: Sequence[ClaimedLetter]) -> Outgoing | None:
        """The letter after the current one, if it is certain to be next. It counts as begun only when its own bytes are
        sent after the server's go-ahead, so the window holds for it as for any other."""
        if not next_ or self.slice.over or self.slice.pace.is_set or next_[0].id in self.gone:
            return None
        [letter] = next_
        if self.memory.is_held(letter.address) or not self.slice.history.may_send(letter.address, moments.now()):
            return None
        outgoing = self.composer.ahead(letter)
        self.announced = letter.id if outgoing else 0
        return outgoing

    def _compose_ahead(self, after: Sequence[ClaimedLetter]) -> None:
        """Compose the next letter, or the one after it; not under a rate limit, where it would wait too long."""
        if not self.slice.pace.is_set:
            for letter in after[1:] if self.announced else after[:1]:
                self.composer.ahead(letter)

    def _settle(self, next_: Sequence[ClaimedLetter] = ()) -> dict[int, str] | None:
        """Settle the letters begun. Returns which next ones may no longer be sent; None if the digest must stop."""
        if any(known.state == "sent" for known in self.begun):
            heartbeats.taken()
        gone = self._write(self.driver, next_)
        stop_rules.act(self.batch, self.memory)
        return None if self.memory.stopped else gone

    def _write(self, driver: DriverConnection, next_: Sequence[ClaimedLetter] = ()) -> dict[int, str] | None:
        gone = settlements.settle(driver, self.batch, self.begun, next_, self.slice.lease, moments.now())
        self.confirmed = time.monotonic()
        heartbeats.did(len(self.begun))
        self.begun = []
        return gone

    def break_off(self) -> None:
        """After an error, or when the process has to end: note what is known of the current letter, so that it alone
        can be in doubt."""
        letter, self.in_hand = self.in_hand, None
        if letter is None or any(letter.id == known.id for known in self.begun):
            return
        outcome = self.heard or Outcome("unknown", None, "the sender broke off amid this letter", "dot")
        self.sent += 1
        certain = self.heard is None and self.transport.certain  # sending it again only writes the same file again
        if outcome.kind != "relay" and not certain:  # else it goes back to pending
            tried = self.composer.fingerprints.get(letter.id)
            self.begun.append(settlement(letter, outcome, moments.now(), tried))

    def write_down(self) -> None:
        """Write what is known of a batch that was broken off, and end its claim. Raises what the database raises, and
        may be repeated."""
        if self.is_begun:
            with turns.driver_connection() as fresh:  # our own connection may be what failed
                try:
                    self._write(fresh)
                except Fenced:
                    self.fenced = True
            stop_rules.act(self.batch, self.memory)
        self._give_back(None)

    def _give_back(self, driver: DriverConnection | None) -> None:
        """End the claim. If recovery ended it first, give back those letters held in doubt that were never begun; not
        before the claim was begun, since only then its id is surely ours."""
        with turns.writing() as session:
            gone = claims.release(session, self.batch, moments.now(), self.sent) is None
        if self.is_begun and (gone or self.fenced):
            with contextlib.nullcontext(driver) if driver else turns.driver_connection() as own:
                back = settlements.give_back(own, self.batch, self.last)
            log.warning("fenced", claim=self.batch.claim, given_back=back)
