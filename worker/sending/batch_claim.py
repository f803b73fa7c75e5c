"""One batch's claim in its sender's hands: begun, settled window by window, and ended, also after an error."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import structlog

from db import moments
from db.deliveries.claiming import claims, settlements
from db.deliveries.claiming.admission import ClaimedLetter
from db.deliveries.claiming.claims import Batch
from db.deliveries.claiming.settlements import Fenced, Settlement
from db.driver import DriverConnection
from worker.processes import heartbeats, turns
from worker.sending import stop_rules
from worker.sending.stop_rules import Memory

log = structlog.get_logger("mail")


@dataclass
class BatchClaim:
    """A claim and what is known of its letters. The steps are numbered as in send_batch.py."""

    batch: Batch
    memory: Memory
    """What the stop rules remember of its digest."""
    lease: timedelta
    stage: Literal["claimed", "begun", "fenced"] = "claimed"
    """Until it is begun, its id is not surely ours; letters may be begun only between `begun` and `fenced`."""
    known: list[Settlement] = field(default_factory=list)
    """What became of its letters since the last settlement: at most a window of them, in the order of their ids."""
    gone: dict[int, str] = field(default_factory=dict)
    """Which letters of the group may no longer be sent, with the reason, as the last settlement found."""
    last: int = 0
    """The last letter that was begun, by its id: no later one was, except for the one in hand."""
    sent: int = 0
    """How many letters the server was given as a whole, or may have been: they count against SEND_DAILY."""
    extended: float = field(default_factory=time.monotonic)
    """When its lease was last extended (monotonic seconds)."""

    def begin(self, driver: DriverConnection) -> None:
        """1. Let it count its window. Raises Fenced."""
        self.stage = "begun"  # even if the answer is lost
        settlements.begin(driver, self.batch, self.lease, moments.now())

    @property
    def needs_extension(self) -> bool:
        """Whether a third of the lease has passed: by then it is extended, so that fewer letters end in doubt. No
        letter is sent twice even without that."""
        return time.monotonic() - self.extended > self.lease.total_seconds() / 3

    def settle(self, driver: DriverConnection, group: Sequence[ClaimedLetter]) -> bool:
        """3. Write what is known, extend the lease, and read anew the consent for the letters of the next group. False
        if the digest must stop. Raises Fenced. It may be repeated when the answer was lost."""
        gone = self._settled(driver, group)
        if gone is None or self.memory.stopped:
            return False
        self.gone = gone
        return True

    def extend(self, driver: DriverConnection) -> None:
        """The same in the middle of a group, whose consent is known already."""
        self._settled(driver, ())

    def _settled(self, driver: DriverConnection, group: Sequence[ClaimedLetter]) -> dict[int, str] | None:
        if any(each.state == "sent" for each in self.known):
            heartbeats.taken()
        with turns.settling(driver):
            gone = self._write(driver, group)
        stop_rules.act(self.batch, self.memory)
        return gone

    def _write(self, driver: DriverConnection, group: Sequence[ClaimedLetter] = ()) -> dict[int, str] | None:
        gone = settlements.settle(driver, self.batch, self.known, group, self.lease, moments.now())
        self.extended = time.monotonic()
        heartbeats.did(len(self.known))
        self.known = []
        return gone

    def end(self, driver: DriverConnection | None) -> None:
        """5. Give back the letters that were never begun, and end the claim.

        If recovery ended it first, those that it holds in doubt and that were never begun are given back; not before
        the claim was begun, since only then its id is surely ours.
        """
        with turns.writing() as session:
            gone = claims.release(session, self.batch, moments.now(), self.sent) is None
        if self.stage == "fenced" or (gone and self.stage == "begun"):
            with contextlib.nullcontext(driver) if driver else turns.driver_connection() as own:
                back = settlements.give_back(own, self.batch, self.last)
            log.warning("fenced", claim=self.batch.claim, given_back=back)

    def write_down(self) -> None:
        """3 and 5 for a batch that was broken off. Raises what the database raises, and may be repeated."""
        if self.stage != "claimed":
            with turns.driver_connection() as fresh:  # our own connection may be what failed
                try:
                    self._write(fresh)
                except Fenced:
                    self.stage = "fenced"
            stop_rules.act(self.batch, self.memory)
        self.end(None)
