"""Sends one batch over one connection: its letters in the order of their ids, settled whenever the window is full.

The next letter's commands are pipelined behind the current letter once nothing can come between the two, so a letter
costs one round trip, and the sender composes and signs while the server processes the letter before.

The protocol of a batch, once it is claimed (the claim's own is in db/deliveries/claiming/claims.py, that of a letter at
the server in emails/transports/smtp.py):

1. begin the claim, which counts its window from then on.
2. take a group, the next letters: no more than the window. For each of them:
   a. leave it out if its reader may not get it any more, or its domain is to be left alone: noted without a try.
   b. stop if the slice is over. A letter that the server waits for is sent all the same: better than to disconnect.
   c. wait for its turn at a set rate; settle early if a third of the lease has passed.
   d. compose it, if that was not done ahead.
   e. take it in hand.
   f. hand it over. Meanwhile announce the letter after it, if that is certain to be next, and compose ahead.
   g. hear the outcome.
   h. weigh it by the replies before it, and note what becomes of the letter.
3. settle: write what was noted, and read consent for exactly the letters of the next group. Go on with 2.
4. disconnect if the server still waits for a letter.
5. end the claim: letters that were never begun are given back.

Between any two of these lines it is true that
- only the letter in hand can be in doubt, from 2e until its outcome is heard. Of the others it is known whether they
  were begun, and what became of them is noted or settled.
- the letters noted since the last settlement and the one in hand are together no more than the window.
- no letter after the one in hand was begun. An announced one was not either: none of its own bytes has left.
- the letter that the server waits for is later than the one in hand, and the next that is handed over on this
  connection.
- consent for the letter in hand was read after every letter before its group was settled.

After an error, or when the process has to end, break_off() notes the letter in hand, and the claim writes what is known
and ends itself (3 and 5) as soon as the database answers.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from db import moments
from db.deliveries import reasons
from db.deliveries.claiming.admission import ClaimedLetter
from db.deliveries.claiming.settlements import Fenced, Settlement
from db.deliveries.limits import stops
from db.driver import DriverConnection
from db.masking import masked_of
from emails.transports import Outcome, Outgoing, Transport
from worker.letters.composing import BatchComposer
from worker.processes import ending
from worker.sending.batch_claim import BatchClaim
from worker.sending.server_breaker import BreakerOpen
from worker.sending.settling import deferred, put_off, settlement
from worker.sending.slice_state import Slice

log = structlog.get_logger("mail")


@dataclass(slots=True)
class InHand:
    """The letter that was taken in hand last, and how far it has come."""

    letter: ClaimedLetter
    fingerprint: bytes
    heard: Outcome | None = None
    """The transport's outcome, before the reply history adjusts it."""
    noted: bool = False
    """Whether it is known what becomes of the letter: it is not in hand any more."""
    announced: int = 0
    """The letter, by its id, whose commands went out behind this one: the server waits for it. 0 for none."""


@dataclass
class BatchSend:
    """One batch over one connection."""

    slice: Slice
    transport: Transport
    driver: DriverConnection
    composer: BatchComposer
    claim: BatchClaim
    hand: InHand | None = None
    refused_all: str | None = None
    """The reply for which the mail server is left alone, once it gave one."""

    def go(self) -> None:
        """Send the batch and end its claim. Raises BreakerOpen if the server refuses all mail."""
        try:
            self.claim.begin(self.driver)  # 1
            self._send_groups()
        except Fenced:
            self.claim.stage = "fenced"
        finally:
            self._disconnect_if_awaited()  # 4
        self.claim.end(self.driver)  # 5
        if self.refused_all is not None:
            raise BreakerOpen(self.refused_all)

    def _send_groups(self) -> None:
        """2 and 3, until no letter is left or no further one may begin."""
        rest = self.claim.batch.letters
        group = self._group(rest)  # the claim has just read their consent
        while group and (not self.slice.over or group[0].id == self._awaited):
            for at in range(len(group)):
                if not self._begin(rest[at : at + 3]):
                    break
            rest = rest[len(group) :]
            group = self._group(rest)
            if not self.claim.settle(self.driver, group) or self.refused_all is not None:
                return

    def _group(self, rest: Sequence[ClaimedLetter]) -> Sequence[ClaimedLetter]:
        window = self.slice.pace.window
        return rest[: min(window, self.claim.batch.win or window)]

    # ---- one letter ------------------------------------------------------------------------------------------

    def _begin(self, upcoming: Sequence[ClaimedLetter]) -> bool:
        """2a to 2h for the first of these letters. False when no further letter may begin."""
        letter, *after = upcoming
        left_out = self._left_out(letter)
        if left_out:
            self.claim.known.append(left_out)
            return True
        if self.slice.over and letter.id != self._awaited:
            return False
        self._wait()
        try:
            outgoing = self.composer.compose(letter)
        except Exception as error:  # one letter that cannot be composed must not block all others
            log.exception("letter cannot be composed", delivery=letter.id)
            reply = masked_of(f"{type(error).__name__}: {error}"[:500], letter.address)
            self.claim.known.append(deferred(letter, reasons.NOT_COMPOSED, moments.now(), None, reply))
            return True
        self.hand = hand = InHand(letter, outgoing.fingerprint)
        self._note(hand, self._handed_over(hand, outgoing, after))
        return self.refused_all is None and not self.claim.memory.stopped

    def _left_out(self, letter: ClaimedLetter) -> Settlement | None:
        """2a: why a letter is not sent now, if it is not."""
        if letter.id in self.claim.gone:
            if letter.id == self._awaited:
                self._disconnect_if_awaited()
            return Settlement(letter.id, "skipped", self.claim.gone[letter.id], tried=0)
        if letter.id == self._awaited:
            return None
        if self.claim.memory.is_held(letter.address):
            until = moments.now() + stops.ASKED_AGAIN
            return Settlement(letter.id, "deferred", stops.REASON, not_before=until, tried=0)
        if shut_until := self.slice.history.shut_until(letter.address, moments.now()):
            return Settlement(letter.id, "deferred", reasons.DOMAIN_DEFERS, not_before=shut_until, tried=0)
        return None

    def _wait(self) -> None:
        """2c."""
        if wait := self.slice.pace.wait():
            time.sleep(wait)
        if self.claim.needs_extension:
            self.claim.extend(self.driver)

    def _handed_over(self, hand: InHand, outgoing: Outgoing, after: Sequence[ClaimedLetter]) -> Outcome:
        """2f and 2g. A later letter is composed while the server processes this one: signing takes about as long as its
        reply."""
        began, composing = time.monotonic(), self.composer.took
        said = self.transport.send(outgoing, lambda: self._announce(after[:1]), lambda: self._compose_ahead(after))
        # Servers quote the recipient. Whoever is erased while the letter is under way must not come back in a reply.
        reply = masked_of(said.reply, hand.letter.address)
        hand.heard = heard = said if reply == said.reply else replace(said, reply=reply)
        self.claim.sent += heard.kind in ("sent", "unknown") or heard.stage == "dot"
        if ending.is_broken_off():
            raise ending.BrokenOff  # it was this process that cut the connection, so the mail server is not to blame
        if heard.stage != "dot" or heard.kind == "unknown":
            hand.announced = 0  # its commands would have been sent with this letter, or were lost with the connection
        self.slice.pace.took(time.monotonic() - began - (self.composer.took - composing))
        return heard

    def _note(self, hand: InHand, heard: Outcome) -> None:
        """2h. A letter that the server refused together with all others was not begun."""
        outcome = self.slice.history.weigh(hand.letter, heard)
        if outcome.kind == "relay":
            self.refused_all, hand.noted = outcome.reply, True
            return
        self.slice.answered |= outcome.kind == "sent"
        if self.claim.batch.digest_id is not None:
            self.claim.memory.note(hand.letter.address, outcome)
        self._known(hand, self._settlement(hand, outcome))
        if outcome.kind == "unknown" and self.slice.history.loses_answers:
            self.refused_all = f"no answer to letters: {outcome.reply}"

    def _settlement(self, hand: InHand, outcome: Outcome) -> Settlement:
        if outcome.kind == "deferred" and outcome.whose in ("sender", "relay"):
            times = self.slice.history.times_put_off(hand.letter)
            return put_off(hand.letter, outcome, times, moments.now(), hand.fingerprint)
        return settlement(hand.letter, outcome, moments.now(), hand.fingerprint)

    def _known(self, hand: InHand, settled: Settlement) -> None:
        self.claim.last = hand.letter.id
        self.claim.known.append(settled)
        hand.noted = True

    def break_off(self) -> None:
        """After an error, or when the process has to end: note what is known of the letter in hand, so that it alone
        can be in doubt. Then claim.write_down() does the rest."""
        hand = self.hand
        if hand is None or hand.noted or any(each.id == hand.letter.id for each in self.claim.known):
            return
        outcome = hand.heard or Outcome("unknown", None, "the sender broke off amid this letter", "dot")
        self.claim.sent += hand.heard is None  # else it was counted when its outcome was heard
        certain = hand.heard is None and self.transport.certain  # sending it again only writes the same file again
        if outcome.kind != "relay" and not certain:  # else it goes back to pending
            self._known(hand, settlement(hand.letter, outcome, moments.now(), hand.fingerprint))

    # ---- the letter after it ---------------------------------------------------------------------------------

    @property
    def _awaited(self) -> int:
        """The letter, by its id, that the server waits for; 0 for none."""
        return self.hand.announced if self.hand else 0

    def _announce(self, next_: Sequence[ClaimedLetter]) -> Outgoing | None:
        """The letter after the one in hand, if it is certain to be next. It counts as begun only when its own bytes are
        sent after the server's go-ahead, so the window holds for it as for any other."""
        if not next_ or self.slice.over or self.slice.pace.is_set or next_[0].id in self.claim.gone:
            return None
        [letter] = next_
        if self.claim.memory.is_held(letter.address):
            return None
        if not self.slice.history.may_send(letter.address, moments.now()):
            return None
        outgoing = self.composer.ahead(letter)
        if outgoing and self.hand:
            self.hand.announced = letter.id
        return outgoing

    def _compose_ahead(self, after: Sequence[ClaimedLetter]) -> None:
        """Compose the next letter, or the one after it; not under a rate limit, where it would wait too long."""
        if not self.slice.pace.is_set:
            for letter in after[1:] if self._awaited else after[:1]:
                self.composer.ahead(letter)

    def _disconnect_if_awaited(self) -> None:
        """The announced letter will not be sent, and the server would take any other letter for it."""
        if self.hand and self.hand.announced:
            self.transport.close()
            self.hand.announced = 0
