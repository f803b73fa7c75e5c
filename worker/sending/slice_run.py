"""One slice in one process: a thread for each connection, which claims batch after batch and sends them."""

import math
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from db import moments
from db.deliveries.claiming import claims, recovery
from db.deliveries.claiming.claims import Batch, Terms, Wait
from db.driver import DriverConnection, driver_connection
from db.monitoring.heartbeats import senders_alive
from db.refusals import is_lock, refusal
from db.session import Session
from db.settings import settings
from emails.transports import Transport
from worker.letters.composing import BatchComposer
from worker.processes import ending, heartbeats, turns
from worker.processes.looks import CannotBegin
from worker.sending import send_limits, unwritten
from worker.sending.batch_claim import BatchClaim
from worker.sending.send_batch import BatchSend
from worker.sending.send_limits import SendLimits
from worker.sending.server_breaker import BreakerOpen, trip
from worker.sending.slice_state import Slice
from worker.sending.whose_outage import LONGEST, OwnOutage

LOOKS_ROUND_EVERY = 1.0
"""Seconds of a slice between two looks at what other senders left: over many connections, one before each claim is too
many."""

log = structlog.get_logger("mail")


class NoneFree(Exception):
    """All connections allowed by SEND_CONNECTIONS are in use: leave, and keep none open."""


class SliceFailed(CannotBegin):
    """A slice could not begin: it got no database session, or no connection to the mail server. It tells why."""


class Unreachable(SliceFailed):
    """The mail server refuses this process alone, so only this process waits."""

    longest = LONGEST


@dataclass
class SliceRun(Slice):
    """One slice in one process, with one thread per connection."""

    limits: SendLimits = field(default_factory=send_limits.own)
    """Those that hold for all senders, as of the slice's start."""
    share: int = 1
    """How many of all connections this process may use, as of the slice's start."""
    looks_round_at: float = 0.0
    stood: bool = False
    """Whether any of the connections could be opened."""
    refusals: list[str] = field(default_factory=list)
    refused_alone: str = ""
    """The reply to letter after letter of this process, while others have theirs taken."""
    claimed: bool = False
    """Whether the database answered any claim, also one for which nothing was left."""
    failures: list[str] = field(default_factory=list)
    """What the database said to threads that left for it."""

    def work(self, transport: Transport, owed: Sequence[int | None]) -> None:
        """One thread's work with one connection. It raises no Exception: what it cannot write is kept for later."""
        try:
            with driver_connection() as connection:
                if not self._opens(transport):
                    return
                for digest_id in owed:
                    self._all_of(transport, connection, digest_id)
        except NoneFree:
            transport.close()
        except BreakerOpen:
            self.stopped = True
        except ending.BrokenOff:
            transport.close()
        except Exception as error:
            transport.close()
            if told := refusal(error):  # others may have a session, and go on
                self.failures.append(told)
            else:
                self.stopped = True
                log.exception("slice failed")

    def weigh_failures(self) -> None:
        """Raise SliceFailed if no thread came so far as to claim. If some did, the others were only too many."""
        if self.failures and not self.claimed:
            raise SliceFailed(self.failures[0])
        if self.failures:
            log.warning("the database refused", times=len(self.failures), error=self.failures[0])

    def _opens(self, transport: Transport) -> bool:
        """Connect before anything is claimed; weigh_refusals() looks at refusals once all threads have tried.

        SEND_CONNECTIONS is checked first, but without a lock, so hosts that check at the same moment may together open
        too many connections. claim() checks it again under a lock, and those without a claim close.
        """
        with turns.reading() as session:
            if claims.at_work(session, moments.now()) >= self.limits.connections:
                raise NoneFree
        refusal = transport.connect()
        if refusal is not None:
            self.refusals.append(refusal.reply)
            return False
        self.stood = True
        _outage().is_over()
        return True

    def weigh_refusals(self) -> None:
        """Open the server's breaker for all senders if it refused every connection of this slice and refuses the other
        senders too; if only this process, raise Unreachable. If it accepted some connections, it only limits their
        number, and sending goes on with those."""
        if self.refused_alone:
            raise Unreachable(self.refused_alone)
        if not self.refusals:
            return
        if self.stood:
            log.warning("connections refused", refused=len(self.refusals), reply=self.refusals[0])
            return
        with turns.reading() as session:
            now = moments.now()
            alone = claims.at_work(session, now) > 0 or not _outage().is_everybodys(session, now)
        if alone:
            raise Unreachable(self.refusals[0])
        self.stopped = True
        heartbeats.failed(self.refusals[0])  # the others decide by it whether their own refusals are everybody's
        trip(self.refusals[0])

    def _all_of(self, transport: Transport, connection: DriverConnection, digest_id: int | None) -> None:
        try:
            while not self.over and self._one_batch(transport, connection, digest_id):
                pass
        except (LookupError, ValueError, TypeError):
            # A digest whose letter cannot be composed must not block the others.
            log.exception("digest cannot be sent", digest_id=digest_id)

    def _one_batch(self, transport: Transport, connection: DriverConnection, digest_id: int | None) -> bool:
        """Claim and send one batch. False when this connection has no more work."""
        composer = BatchComposer()
        if digest_id is not None:
            composer.of("digest", digest_id)  # rendered and encoded before anything is claimed
        batch = self._claimed(transport, digest_id)
        if isinstance(batch, Wait):
            if batch.seconds is None:
                raise NoneFree
            ending.sleep(min(batch.seconds, max(0.0, self.end - time.monotonic())))
            return True
        if batch is None:
            return False
        sending = BatchSend(self, transport, connection, composer, self._claim(batch))
        try:
            sending.go()
        except BreakerOpen as met:
            self._meet_refusal(str(met))
            raise
        except BaseException as error:
            sending.break_off()
            self._write_down(sending.claim, error)
            raise
        return True

    def _meet_refusal(self, reply: str) -> None:
        """The server refuses one letter after another: open its breaker for all senders, unless others have theirs
        taken. Many servers tell a host that they do not know at the recipient only (Postfix: smtpd_delay_reject)."""
        self.history.failing = self.stopped = True
        outage = _outage("letters")
        if self.answered:
            outage.is_over()  # the server took letters just before, so this outage is a new one
        with turns.reading() as session:
            alone = not outage.is_everybodys(session, moments.now())
        if alone:
            self.refused_alone = reply
            return
        heartbeats.failed(reply)
        trip(reply, answered=self.answered)
        self.answered = False

    def _claimed(self, transport: Transport, digest_id: int | None) -> Batch | Wait | None:
        batch: Batch | Wait | None = None
        try:
            self._look_round()
            if self.over:
                return None
            with turns.writing() as session:
                batch = claims.claim(session, self._terms(transport, digest_id), digest_id, moments.now())
        except BaseException as error:
            if isinstance(batch, Batch):  # its commit may have been carried out, though the answer was lost
                self._write_down(self._claim(batch), error)
            if not is_lock(error):
                raise
            self.failures.append(refusal(error) or "a lock")
            return Wait(random.uniform(0.2, 1))  # whoever holds it may have vanished, and is ended within seconds
        self.claimed = True
        return batch

    def _look_round(self) -> None:
        """Now and then: recover leases that lapse during the slice, whose letters should not wait for the next one; and
        end the slice if this process may use more connections by now, since another sender fails."""
        if time.monotonic() < self.looks_round_at:
            return
        self.looks_round_at = time.monotonic() + LOOKS_ROUND_EVERY
        recover_lapsed()
        with turns.reading() as session:
            share = share_of(session, self.limits.connections)
        if share > self.share:
            self.end = min(self.end, time.monotonic())

    def _claim(self, batch: Batch) -> BatchClaim:
        return BatchClaim(batch, self.history.memories.of(batch), self.lease)

    def _write_down(self, claim: BatchClaim, error: BaseException) -> None:
        """Keep a batch that was broken off until what is known of it is written; other connections claim nothing
        meanwhile."""
        self.broken |= refusal(error) is not None
        unwritten.write(claim)

    def _terms(self, transport: Transport, digest_id: int | None) -> Terms:
        config = settings()
        return Terms(
            worker=f"{socket.gethostname()}:{os.getpid()}:{threading.get_native_id()}:{secrets.token_hex(3)}",
            # Consent for single letters is read at the claim only, so their batch is as large as one window.
            limit=self.pace.batch if digest_id is not None else config.send_window,
            # The pace sets the batch: on a slow server a kill leaves fewer letters in doubt.
            win=0 if transport.certain else self.pace.window,
            lease=self.lease,
            connections=self.limits.connections,
            rate=self.limits.rate,
            daily=self.limits.daily,
            domain_rates=dict(self.limits.domain_rates),
        )


_outages: dict[tuple[int, str, str], OwnOutage] = {}


def _outage(of: str = "connections") -> OwnOutage:
    """This process's outage: of its connections, or of its letters over connections that the server accepts."""
    return _outages.setdefault((os.getpid(), settings().mail_url, of), OwnOutage(heartbeats.own_process()))


def share_of(session: Session, connections: int) -> int:
    """How many of all senders' connections this process may use, so that room is left for the others."""
    return math.ceil(connections / senders_alive(session, moments.now()))


def recover_lapsed() -> None:
    """Recover the claims of senders whose leases have lapsed."""
    now = moments.now()
    with turns.reading() as session:
        lapsed = recovery.any_lapsed(session, now)
    if lapsed:
        with turns.writing() as session:
            ended = recovery.recover(session, settings().on_unknown == "resend", now)
        log.warning("claims recovered", claims=ended)
