"""A slice of sending: claim letters, hand them to the mail server, write down what became of each.

A slice works for ten seconds, stops beginning letters, gives the rest back and rings again; so neither TERM nor a
time limit ever meets it in the middle of a letter. One at a time in a thread: connect and render first, only then
claim; at most `win` letters are begun and not settled (db/claims.py tells why that is all the safety there is).
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from db import claims, digests, relays, settlements
from db.claims import Batch, Taken, Terms, Wait
from db.session import Ledger, ledger, reading, writing
from db.settings import settings
from db.settlements import Fenced, Settlement
from emails.doors import Door, Outcome, door_name, open_door
from emails.message import date_header
from worker import bell, heartbeats
from worker.hearing import Hearing
from worker.letters import Composers
from worker.outcomes import deferred, settlement
from worker.pace import Pace

SLICE = 10.0
"""Seconds in which letters are begun."""

log = structlog.get_logger("mail")


def send() -> None:
    """One slice; when the work outlasts it, ring for the next."""
    recover()
    if run_slice(time.monotonic() + SLICE):
        bell.publish("mail")


def recover() -> None:
    """End the claims of senders that are gone."""
    now = datetime.now(UTC)
    with reading() as session:
        lapsed = claims.any_lapsed(session, now)
    if lapsed:
        with writing() as session:
            ended = claims.recover(session, settings().on_unknown == "resend", now)
        log.warning("claims recovered", claims=ended)


def run_slice(end: float) -> bool:
    """Send what is owed until `end` (monotonic seconds); whether anything is left."""
    with reading() as session:
        now = datetime.now(UTC)
        owed = claims.owed(session, now)
        shut = relays.closed_to(session, door_name(settings().mail_url), now)
        ailing = relays.ailing_domains(session)
    if not owed or shut:
        return False
    hearing = _heard.setdefault((os.getpid(), settings().mail_url), Hearing())
    hearing.ailing = ailing
    run = Run(end, Pace(settings().send_rate, settings().send_window), hearing)
    doors = _doors(settings().mail_url, settings().send_connections)
    threads = [threading.Thread(target=run.work, args=(door, owed)) for door in doors[1:]]
    for thread in threads:
        thread.start()
    run.work(doors[0], owed)
    for thread in threads:
        thread.join()
    with writing() as session:
        if run.answered and not run.stopped:
            relays.answered(session, door_name(settings().mail_url))
        for digest_id in owed:
            if digest_id is not None:
                digests.finish(session, digest_id, datetime.now(UTC))
    return not run.stopped and time.monotonic() >= end


_kept: dict[tuple[int, str], list[Door]] = {}
_heard: dict[tuple[int, str], Hearing] = {}


def _doors(mail_url: str, count: int) -> list[Door]:
    """The connections that this process keeps between slices; a forked child opens its own."""
    doors = _kept.setdefault((os.getpid(), mail_url), [])
    while len(doors) < count:
        doors.append(open_door(mail_url))
    return doors[:count]


class RelayShut(Exception):
    """The mail server refuses everybody: stop, and burn nobody's tries."""


@dataclass
class Run:
    """One slice in one process: what its threads share."""

    end: float
    pace: Pace
    hearing: Hearing
    stopped: bool = False
    answered: bool = False
    lease: timedelta = field(default_factory=lambda: timedelta(seconds=settings().send_lease))

    def work(self, door: Door, owed: Sequence[int | None]) -> None:
        """What one thread does with one connection. Nothing is raised: what was claimed is recovered by its lease."""
        try:
            with ledger() as connection:
                self._check(door.connect())
                for digest_id in owed:
                    self._all_of(door, connection, digest_id)
        except RelayShut:
            self.stopped = True
        except Exception:
            self.stopped = True
            door.close()
            log.exception("slice failed")

    def _all_of(self, door: Door, connection: Ledger, digest_id: int | None) -> None:
        try:
            while not self.over and self._one_batch(door, connection, digest_id):
                pass
        except (LookupError, ValueError, TypeError):
            # A digest whose letter cannot be made ready must not keep the others waiting behind it.
            log.exception("digest cannot be sent", digest=digest_id)

    @property
    def over(self) -> bool:
        return self.stopped or time.monotonic() >= self.end

    def _one_batch(self, door: Door, connection: Ledger, digest_id: int | None) -> bool:
        """Claim and send one batch; False when there is nothing more for this connection."""
        composers = Composers()
        if digest_id is not None:
            composers.of("digest", digest_id)  # rendered and encoded before anything is claimed
        with writing() as session:
            batch = claims.claim(session, self._terms(door, digest_id), digest_id, datetime.now(UTC))
        if isinstance(batch, Wait) and batch.seconds is not None:
            time.sleep(min(batch.seconds, max(0.0, self.end - time.monotonic())))
            return True
        if batch is None or isinstance(batch, Wait):
            return False
        sending = Sending(self, door, connection, batch, composers)
        try:
            sending.go()
            with writing() as session:
                if claims.release(session, batch) is None:
                    raise Fenced  # it slept until after its slice, and others hold its window in doubt
        except Fenced:
            back = settlements.give_back(connection, batch, sending.last)
            log.warning("fenced", claim=batch.claim, given_back=back)
        except RelayShut:
            raise
        except BaseException:
            sending.break_off()
            raise
        return True

    def _terms(self, door: Door, digest_id: int | None) -> Terms:
        given = settings()
        return Terms(
            worker=f"{socket.gethostname()}:{os.getpid()}:{threading.get_native_id()}",
            # The single letters' consent is read at the claim alone, so their batch is one window.
            limit=self.pace.batch if digest_id is not None else given.send_window,
            # As many as the pace asks for: on a slow server a kill leaves fewer in doubt.
            win=0 if door.certain else self.pace.window,
            lease=self.lease,
            connections=given.send_connections,
            rate=given.send_rate,
            domain_rates=dict(given.send_domain_rates),
        )

    def _check(self, refusal: Outcome | None) -> None:
        if refusal is not None:
            shut(refusal.reply)
            raise RelayShut


def shut(reply: str) -> None:
    """Open the relay's breaker, with its own words."""
    with writing() as session:
        relay = relays.refused(session, door_name(settings().mail_url), reply, datetime.now(UTC))
    log.error("relay refuses", relay=relay.name, reply=reply, until=relay.open_until.isoformat())


@dataclass
class Sending:
    """One batch on its way: the letters begun since the last settlement are at most the claim's window."""

    run: Run
    door: Door
    ledger: Ledger
    batch: Batch
    composers: Composers
    begun: list[Settlement] = field(default_factory=list)
    in_hand: Taken | None = None
    last: int = 0
    shut_by: str | None = None
    confirmed: float = field(default_factory=time.monotonic)
    ahead: tuple[int, str, bytes] | None = None
    composing: float = 0.0

    def go(self) -> None:
        """Send the batch in the order of its ids; raises Fenced, or RelayShut once all that was begun is settled."""
        rest = list(self.batch.letters)
        group, gone = self._next(rest), dict[int, str]()  # the claim has just asked about the first letters
        while group and not self.run.over and self.shut_by is None:
            rest = rest[len(group) :]
            for letter, after in zip(group, (*group[1:], *rest[:1], None), strict=False):
                until = self.run.hearing.shut_until(letter.address, datetime.now(UTC))
                if letter.id in gone:
                    self.begun.append(Settlement(letter.id, "skipped", gone[letter.id], tried=0))
                elif until is not None:
                    reason = "its domain defers"
                    self.begun.append(Settlement(letter.id, "deferred", reason, not_before=until, tried=0))
                elif self.run.over or not self._send(letter, after):
                    break
            group = self._next(rest)
            answer = self._settle(group)
            if answer is None:
                break
            gone = answer
        if self.shut_by is not None:
            with writing() as session:
                claims.release(session, self.batch)
            shut(self.shut_by)
            raise RelayShut

    def _next(self, rest: Sequence[Taken]) -> Sequence[Taken]:
        """The next handful: no more than may be begun before a settlement."""
        return rest[: min(self.run.pace.window, self.batch.win or self.run.pace.window)]

    def _send(self, letter: Taken, after: Taken | None) -> bool:
        """Begin one letter and keep its outcome; False when no further one may begin.

        While the server makes up its mind about it, `after` is composed: a signature costs as long as such an answer.
        """
        if wait := self.run.pace.wait():
            time.sleep(wait)
        if time.monotonic() - self.confirmed > self.run.lease.total_seconds() / 3:
            self._settle()  # or extend; it only makes doubt smaller: a clock is never what safety rests on
        try:
            sender, message = self._composed(letter)
        except Exception as error:  # one letter that cannot be written must not keep all others waiting
            log.exception("letter cannot be composed", delivery=letter.id)
            reply = f"{type(error).__name__}: {error}"[:500]
            self.begun.append(deferred(letter, "cannot be composed", datetime.now(UTC), None, reply))
            return True
        began, self.in_hand, self.last, self.composing = time.monotonic(), letter, letter.id, 0.0
        name = f"{letter.letter}-{letter.id}"
        outcome = self.door.send(sender, letter.address, message, name, lambda: self._compose_ahead(after))
        self.run.pace.took(time.monotonic() - began - self.composing)
        outcome = self.run.hearing.weigh(letter, outcome)
        if outcome.kind == "relay":
            self.shut_by, self.in_hand = outcome.reply, None
            return False
        self.run.answered |= outcome.kind == "sent"
        self.begun.append(settlement(letter, outcome, datetime.now(UTC)))
        self.in_hand = None
        return True

    def _composed(self, letter: Taken) -> tuple[str, bytes]:
        """(envelope sender, message) of a letter, as composed ahead or now."""
        ahead, self.ahead = self.ahead, None
        if ahead is not None and ahead[0] == letter.id:
            return ahead[1:]
        composer = self.composers.of(letter.letter, letter.about)
        return composer.write(letter, date_header(datetime.now(UTC)))

    def _compose_ahead(self, letter: Taken | None) -> None:
        """Have the next letter ready; it is not begun by this. Not at a set rate, where it would wait for its turn
        with an old date, and nothing but a digest's, which asks the database nothing."""
        if letter is None or letter.letter != "digest" or self.run.pace.is_set:
            return
        began = time.monotonic()
        with contextlib.suppress(Exception):  # what is wrong with it is said when its turn has come
            self.ahead = (letter.id, *self._composed(letter))
        self.composing = time.monotonic() - began

    def _settle(self, next_: Sequence[Taken] = ()) -> dict[int, str] | None:
        """Settle what was begun; who of the next letters is gone meanwhile, None when the digest may not go on."""
        gone = settlements.settle(self.ledger, self.batch, self.begun, next_, self.run.lease, datetime.now(UTC))
        self.confirmed = time.monotonic()
        heartbeats.did(len(self.begun))
        self.begun = []
        return gone

    def break_off(self) -> None:
        """An error or a time limit ends the batch: write down what is known, so that only the letter in hand is in
        doubt. Where this fails too, the lapse of the lease leaves the whole window in doubt."""
        letter = self.in_hand
        if letter is not None and all(letter.id != known.id for known in self.begun):
            outcome = Outcome("unknown", None, "the sender broke off amid this letter", "dot")
            self.begun.append(settlement(letter, outcome, datetime.now(UTC)))
        with contextlib.suppress(Exception), ledger() as fresh:  # ours may be what has failed
            self.ledger = fresh
            self._settle()
            with writing() as session:
                claims.release(session, self.batch)
