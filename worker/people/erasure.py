"""What is owed after an erasure, done with no transaction open; a step that cannot be done yet is tried again.

1. mask_traces: the letters in a Maildir go, and the address is masked wherever a text quotes it. Raw events go: those
   about the person's letters, and each whose decoded text has the address.
2. rebuild_file (SQLite): the file is rebuilt, at once after a person's request, else in the night.
3. empty_log (SQLite): the write-ahead log is truncated, for which every reader of an older state has to be gone.
"""

import time
from datetime import datetime, timedelta
from datetime import time as clock_time
from functools import lru_cache
from typing import NamedTuple

import structlog

from db import moments, overwriting, traces
from db.deliveries import deliveries
from db.feedback import events, feedback
from db.jobs.events import ErasureWritten, Event, PersonsErased, TracesMasked
from db.masking import IsTheirs, masked_where, quotes_one
from db.session import reading, writing
from db.settings import VAR, settings
from emails.bounces import decoded
from emails.transports import maildir
from worker.processes import ending

SLICE = 10.0
"""Seconds of searching in one job; another one goes on where it ended."""
LARGE = 256 * 2**20
"""Bytes of a file that is rebuilt in the night alone, since votes wait meanwhile."""
RAW = "raw_events"
PAGE = 10
"""Raw events that are read at once: each may have ten megabytes."""
SEARCHED_FOR = 20.0
"""Seconds of CPU for which one raw event is searched."""
NIGHT = clock_time(3)
"""When that is, in the newsletter's time zone."""

log = structlog.get_logger("erasure")


class NotYet(Exception):
    """Something stands in the way that will pass; the message says what."""


class Following(NamedTuple):
    """An event to record once the work is done, and when its own job is due: None for at once."""

    event: Event
    run_after: datetime | None = None


def mask_traces(event: Event) -> list[Following]:
    """Remove all that quotes the erased people's addresses."""
    assert isinstance(event, PersonsErased)
    is_theirs = traces.of_hashes(event.hashes)
    if not event.table:
        _forget_letters(event.persons, is_theirs)
    left = _search(event.table, event.after, is_theirs)
    if left is not None:
        table, after = left
        rest = PersonsErased(event.hashes, event.persons, event.at_once, table, after)
        return [Following(rest)]
    if event.at_once:
        return [Following(TracesMasked())]
    return [Following(ErasureWritten()), Following(TracesMasked(at_once=False), night(moments.now()))]


def _forget_letters(persons: list[str], is_theirs: IsTheirs) -> None:
    """Remove their letters from the Maildir, also from that of before a mail server was set, and once more the replies.

    A sender may have had one in its hands when they were erased, and then wrote the file and the reply after that.
    """
    with reading() as session:
        if deliveries.in_hand(session, persons):
            raise NotYet("A sender still has a letter to them in its hands.")
        names = deliveries.names(session, persons)
    with writing() as session:
        for person in persons:
            deliveries.forget(session, person)
            feedback.forget_words(session, person)
        events.remove_of(session, persons)
    for folder in {VAR / "outbox", settings().outbox or VAR / "outbox"}:
        if gone := maildir.remove(folder, names, lambda to: masked_where(to, is_theirs) != to):
            log.info("letters removed", files=gone)


def _search(table: str, after: str, is_theirs: IsTheirs) -> tuple[str, str] | None:
    """Search the tables from there on for ten seconds. Returns where it ended; None if all are done."""
    end = time.monotonic() + SLICE
    for each in sorted([*traces.tables(), RAW]):
        if each < table:
            continue
        at, page = after if each == table else "", _page_of_raw if each == RAW else _page
        while (found := page(each, at, is_theirs)) is not None:
            at = found
            if time.monotonic() > end or ending.asked():
                return each, at
    return None


def _page(table: str, after: str, is_theirs: IsTheirs) -> str | None:
    """Search one page and mask what is found. Returns the key of its last row; None if there is no further page."""
    with reading() as session:
        found = traces.page(session, table, after, is_theirs)
    if found is None:
        return None
    if found.keys:
        with writing() as session:
            changed = traces.mask(session, table, found.keys, is_theirs)
        log.info("masked", table=table, rows=changed)
    return str(found.last)


def _page_of_raw(_table: str, after: str, is_theirs: IsTheirs) -> str | None:
    """Search the next raw events, and delete each whose decoded text has such an address."""
    with reading() as session:
        found = events.after(session, int(after or 0), PAGE)
    if not found:
        return None
    gone = [number for number, raw in found if quotes(raw, is_theirs)]
    if gone:
        with writing() as session:
            events.remove(session, gone)
        log.info("removed", table=RAW, rows=len(gone))
    return str(found[-1][0])


def quotes(raw: bytes, is_theirs: IsTheirs) -> bool:
    """Whether one of these addresses stands in these bytes, however they are encoded. So does one count that takes too
    long to be searched: nobody but a person who means harm writes such a mail."""
    until, is_one, searched = time.thread_time() + SEARCHED_FOR, lru_cache(maxsize=50_000)(is_theirs), set[str]()
    for text in decoded.texts(raw):
        for part in decoded.around_at_signs(text):
            if part in searched:
                continue
            if time.thread_time() > until or quotes_one(part, is_one):
                return True
            searched.add(part)
    return False


# ---- SQLite's files ------------------------------------------------------------------------------------------


def rebuild_file(event: Event) -> list[Following]:
    """Rebuild the file if it is small, or it is night."""
    assert isinstance(event, TracesMasked)
    size, now = overwriting.size(), moments.now()
    if size is None:
        return []
    if event.at_once and size > LARGE:
        return [Following(ErasureWritten()), Following(TracesMasked(at_once=False), night(now))]
    overwriting.rebuild()
    return [Following(ErasureWritten())]


def empty_log(event: Event) -> list[Following]:
    """Truncate the write-ahead log."""
    assert isinstance(event, ErasureWritten)
    if not overwriting.empty_log():
        raise NotYet("Somebody reads an older state of the database, such as a back-up, so its log is not emptied yet.")
    return []


def night(now: datetime) -> datetime:
    """The next time that it is night in the newsletter's zone."""
    zone = settings().digest_timezone
    today = datetime.combine(now.astimezone(zone).date(), NIGHT, zone)
    return today if today > now else today + timedelta(days=1)
