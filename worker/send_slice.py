"""A slice of sending: claims letters, hands them to the mail server, and records the outcome of each.

A slice works for ten seconds, then begins no further letter and gives the rest back; it does so at once when its
process is told to end. Each thread connects and renders before it claims; at most `win` letters are begun and not
settled (db/deliveries/claims.py explains why that is enough).
"""

import math
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from db import moments
from db.deliveries import breakers, claims, deliveries, recovery
from db.deliveries.claims import Batch, Terms, Wait
from db.driver import DriverConnection, driver_connection
from db.monitoring.heartbeats import senders_alive
from db.refusals import is_lock, refusal
from db.settings import settings
from emails.transports import BadMailUrl, Transport, open_transport, transport_name
from worker import ending, heartbeats, send_daily, send_limits, transport_kinds, turns, unwritten
from worker.letters import BatchComposer
from worker.looks import CannotBegin
from worker.pace import Pace
from worker.reply_history import ReplyHistory
from worker.send_batch import BatchSend, BreakerOpen, Slice, trip
from worker.send_limits import SendLimits
from worker.whose_outage import LONGEST, OwnOutage

SLICE = 10.0
"""Seconds of a slice during which new letters are begun."""

RECOVERS_EVERY = 1.0
"""Seconds of a slice between two looks for lapsed leases: over many connections, one before each claim is too many."""

log = structlog.get_logger("mail")


class NoneFree(Exception):
    """All connections allowed by SEND_CONNECTIONS are in use: leave, and keep none open."""


class SliceFailed(CannotBegin):
    """A slice could not begin: it got no database session, or no connection to the mail server. It tells why."""


class Unreachable(SliceFailed):
    """The mail server refuses this process alone, so only this process waits."""

    longest = LONGEST


def send() -> bool:
    """Run one slice. True if letters are left that may be sent at once. Raises SliceFailed."""
    recover()
    return run_slice(time.monotonic() + SLICE)


def recover() -> None:
    """Recover the claims of dead senders; first of all write what this one knows itself. Raises SliceFailed."""
    with _as_failed():
        if refused := unwritten.write_all():
            raise SliceFailed(refused)
        _recover()


@contextmanager
def _as_failed() -> Iterator[None]:
    """Re-raises as SliceFailed what the database, or a wrong MAIL_URL, refuses."""
    try:
        yield
    except BadMailUrl as error:
        raise SliceFailed(str(error)) from error
    except Exception as error:
        if told := refusal(error):
            raise SliceFailed(told) from error
        raise


def _recover() -> None:
    now = moments.now()
    with turns.reading() as session:
        lapsed = recovery.any_lapsed(session, now)
    if lapsed:
        with turns.writing() as session:
            ended = recovery.recover(session, settings().on_unknown == "resend", now)
        log.warning("claims recovered", claims=ended)


def run_slice(end: float) -> bool:
    """Send due letters until `end` (monotonic seconds). True if any are left that may be sent at once.

    Raises SliceFailed.
    """
    with _as_failed():
        owed, run, share = _prepared(end)
        if not owed:
            return False
        connections = _transports(settings().mail_url, share)
        threads = [threading.Thread(target=run.work, args=(transport, owed)) for transport in connections[1:]]
        for thread in threads:
            thread.start()
        try:
            run.work(connections[0], owed)
        finally:
            for thread in threads:
                thread.join()
        run.weigh_refusals()
        run.weigh_failures()
        _finish(run, owed)
    return run.broken or (not run.stopped and time.monotonic() >= end)


def _prepared(end: float) -> tuple[Sequence[int | None], "SliceRun", int]:
    """The work that is due and may be done now, the slice that does it, and over how many connections."""
    config = settings()
    with turns.reading() as session:
        now = moments.now()
        limits = send_limits.held(session, now)
        owed = send_daily.not_waiting(session, claims.owed(session, now), limits.daily, now)
        breaker = breakers.of_server(session, transport_name(config.mail_url))
        ailing = breakers.failing_domains(session)
        share = math.ceil(limits.connections / senders_alive(session, now))
    if breaker and breaker.is_open(now):
        owed = []
    history = _histories.setdefault((os.getpid(), config.mail_url), ReplyHistory())
    history.ailing, history.failing = ailing, breaker is not None
    run = SliceRun(end, _pace(limits.rate), history, limits=limits)
    return transport_kinds.allowed(owed) if owed else [], run, share


def _finish(run: "SliceRun", owed: Sequence[int | None]) -> None:
    with turns.writing() as session:
        if run.answered and not run.stopped:
            breakers.answered(session, transport_name(settings().mail_url))
        for digest_id in owed:
            if digest_id is not None:
                deliveries.finish(session, digest_id, moments.now())


_kept: dict[tuple[int, str], list[Transport]] = {}
_histories: dict[tuple[int, str], ReplyHistory] = {}
_outages: dict[tuple[int, str], OwnOutage] = {}
_paces: dict[tuple[int, str, float, int], Pace] = {}


def _transports(mail_url: str, count: int) -> list[Transport]:
    """The connections that this process keeps between slices; a forked child opens its own. Those that are more than
    its share by now are closed."""
    connections = _kept.setdefault((os.getpid(), mail_url), [])
    while len(connections) < count:
        connections.append(open_transport(mail_url))
    for each in connections[count:]:
        each.close()
    return connections[:count]


def _own() -> list[Transport]:
    """The connections of this process alone, in case it was forked from one that sends."""
    return [each for (pid, _), kept in _kept.items() if pid == os.getpid() for each in kept]


def cut() -> None:
    """Break the connections, so that threads which wait for the mail server stop waiting. From another thread only, and
    after ending.break_off(), or the mail server would be blamed."""
    for transport in _own():
        transport.cut()


def hang_up() -> None:
    """End the sessions with the mail server before this process ends, without waiting for one that does not answer."""
    threads = [threading.Thread(target=each.close, daemon=True) for each in _own()]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 0.5
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _outage() -> OwnOutage:
    return _outages.setdefault((os.getpid(), settings().mail_url), OwnOutage(heartbeats.own_process()))


def _pace(rate: float) -> Pace:
    """This process's pace from earlier slices, so that a slow server's window is small from the first letter."""
    config = settings()
    key = (os.getpid(), config.mail_url, rate, config.send_window)
    if key not in _paces:
        _paces[key] = Pace(rate, config.send_window)
    return _paces[key]


@dataclass
class SliceRun(Slice):
    """One slice in one process, with one thread per connection."""

    limits: SendLimits = field(default_factory=send_limits.own)
    """Those that hold for all senders, as of the slice's start."""
    recovers_at: float = 0.0
    stood: bool = False
    """Whether any of the connections could be opened."""
    refusals: list[str] = field(default_factory=list)
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
            log.exception("digest cannot be sent", digest=digest_id)

    def _one_batch(self, transport: Transport, connection: DriverConnection, digest_id: int | None) -> bool:
        """Claim and send one batch. False when this connection has no more work."""
        composer = BatchComposer()
        if digest_id is not None:
            composer.of("digest", digest_id)  # rendered and encoded before anything is claimed
        batch = self._claimed(transport, connection, digest_id)
        if isinstance(batch, Wait):
            if batch.seconds is None:
                raise NoneFree
            ending.sleep(min(batch.seconds, max(0.0, self.end - time.monotonic())))
            return True
        if batch is None:
            return False
        sending = BatchSend(self, transport, connection, batch, composer)
        try:
            sending.go()
        except BreakerOpen:
            raise
        except BaseException as error:
            self._break_off(sending, error)
            raise
        return True

    def _claimed(
        self, transport: Transport, connection: DriverConnection, digest_id: int | None
    ) -> Batch | Wait | None:
        batch: Batch | Wait | None = None
        try:
            self._recover_at_times()
            with turns.writing() as session:
                batch = claims.claim(session, self._terms(transport, digest_id), digest_id, moments.now())
        except BaseException as error:
            if isinstance(batch, Batch):  # its commit may have been carried out, though the answer was lost
                self._break_off(BatchSend(self, transport, connection, batch, BatchComposer()), error)
            if not is_lock(error):
                raise
            self.failures.append(refusal(error) or "a lock")
            return Wait(random.uniform(0.2, 1))  # whoever holds it may have vanished, and is ended within seconds
        self.claimed = True
        return batch

    def _recover_at_times(self) -> None:
        """A lease may lapse during a slice, and its letters should not wait for the next slice."""
        if time.monotonic() >= self.recovers_at:
            self.recovers_at = time.monotonic() + RECOVERS_EVERY
            _recover()

    def _break_off(self, sending: BatchSend, error: BaseException) -> None:
        """Keep the batch until what is known of it is written; other connections claim nothing meanwhile."""
        sending.break_off()
        self.broken |= refusal(error) is not None
        unwritten.write(sending)

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
