"""A slice of sending: claims letters, hands them to the mail server, and records the outcome of each.

A slice works for ten seconds, then begins no further letter and gives the rest back; it does so at once when its
process is told to end. Each thread connects and renders before it claims; at most `win` letters are begun and not
settled (db/deliveries/claiming/claims.py explains why that is enough).
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from db import moments
from db.deliveries import deliveries
from db.deliveries.claiming import claims
from db.deliveries.limits import breakers
from db.refusals import refusal
from db.settings import settings
from emails.transports import BadMailUrl, transport_name
from worker.processes import turns
from worker.sending import mail_connections, send_daily, send_limits, transport_kinds, unwritten
from worker.sending.pace import Pace
from worker.sending.reply_history import ReplyHistory
from worker.sending.slice_run import SliceFailed, SliceRun, recover_lapsed, share_of

SLICE = 10.0
"""Seconds of a slice during which new letters are begun."""


def send() -> bool:
    """Run one slice. True if letters are left that may be sent at once. Raises SliceFailed."""
    recover()
    return run_slice(time.monotonic() + SLICE)


def recover() -> None:
    """Recover the claims of dead senders; first of all write what this one knows itself. Raises SliceFailed."""
    with _as_failed():
        if refused := unwritten.write_all():
            raise SliceFailed(refused)
        recover_lapsed()


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


def run_slice(end: float) -> bool:
    """Send due letters until `end` (monotonic seconds). True if any are left that may be sent at once.

    Raises SliceFailed.
    """
    with _as_failed():
        owed, run, share = _prepared(end)
        if not owed:
            return False
        connections = mail_connections.of(settings(), share)
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
    return run.broken or (not run.stopped and time.monotonic() >= run.end)


def _prepared(end: float) -> tuple[Sequence[int | None], SliceRun, int]:
    """The work that is due and may be done now, the slice that does it, and over how many connections."""
    config = settings()
    with turns.reading() as session:
        now = moments.now()
        limits = send_limits.held(session, now)
        owed = send_daily.not_waiting(session, claims.owed(session, now), limits.daily, now)
        breaker = breakers.of_server(session, transport_name(config.mail_url))
        ailing = breakers.failing_domains(session)
        share = share_of(session, limits.connections)
    if breaker and breaker.is_open(now):
        owed = []
    history = _histories.setdefault((os.getpid(), config.mail_url), ReplyHistory())
    history.ailing, history.failing = ailing, breaker is not None
    run = SliceRun(end, _pace(limits.rate), history, limits=limits, share=share)
    return transport_kinds.allowed(owed) if owed else [], run, share


def _finish(run: SliceRun, owed: Sequence[int | None]) -> None:
    with turns.writing() as session:
        if run.answered and not run.stopped:
            breakers.answered(session, transport_name(settings().mail_url))
        for digest_id in owed:
            if digest_id is not None:
                deliveries.finish(session, digest_id, moments.now())


_histories: dict[tuple[int, str], ReplyHistory] = {}
_paces: dict[tuple[int, str, float, int], Pace] = {}


def _pace(rate: float) -> Pace:
    """This process's pace from earlier slices, so that a slow server's window is small from the first letter."""
    config = settings()
    key = (os.getpid(), config.mail_url, rate, config.send_window)
    if key not in _paces:
        _paces[key] = Pace(rate, config.send_window)
    return _paces[key]
