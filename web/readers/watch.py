"""The watch over kept pages: a thread asks the database once a second whether their version still stands.

It runs off the requests, so no reader waits for it. While the database does not answer, kept pages are shown on: most
of what they show cannot change meanwhile (decision 23).
"""

import os
import threading
from functools import cache
from hashlib import sha256
from pathlib import Path

import structlog

from db import moments, page_version, schema, signing_keys
from db.refusals import in_short
from db.schema import WrongSchema
from db.session import reading
from db.setting_errors import BadSettings
from db.settings import settings
from web.readers import stamps
from web.readers.kept import Known, Store, print_of

EVERY = 1.0
"""Seconds between two looks: a change shows to readers without own votes that much later at most."""
log = structlog.get_logger("kept pages")

_watched: tuple[int, Store] | None = None
"""The process whose thread is started, and its store."""


def start(store: Store) -> None:
    """Start the daemon thread of this process."""
    global _watched
    _watched = (os.getpid(), store)
    threading.Thread(target=_watch_for_ever, args=(store,), name="kept pages", daemon=True).start()


def start_after_fork() -> None:
    """Start it again in a forked child, since threads do not survive a fork. It is called at each request."""
    if _watched is not None and _watched[0] != os.getpid():
        start(_watched[1])


def _forget_in_child() -> None:
    if _watched is not None:
        _watched[1].forget()  # until the child's own thread has looked


os.register_at_fork(after_in_child=_forget_in_child)


def _watch_for_ever(store: Store) -> None:
    pause, trouble = threading.Event(), ""
    while True:
        before, trouble = trouble, look(store)
        if trouble and not before:
            log.warning("kept pages are shown on", error=trouble)
        pause.wait(EVERY)


def look(store: Store) -> str:
    """Ask once. Returns why nobody knows whether the version stands, or an empty text."""
    try:
        store.confirm(version())
    except (WrongSchema, BadSettings) as error:  # this release may show nothing of this database
        store.forget()
        return str(error)
    except Exception as error:
        return in_short(error)
    return ""


def version() -> Known:
    """A print of all that pages are made of: the database's version, the UTC day, the settings, and this code. Secrets
    are not in it, but for the stamp, which every page shows."""
    schema.check()
    signing_keys.check()
    now, config = moments.now(), settings()
    with reading() as session:
        standing = page_version.standing(session, now)
    shown = (config.site_name, config.base_url, config.mail_postal_address, config.digest_schedule.weekday)
    stamp = stamps.made(config.keys, now.date())
    seen = (standing.content, stamp, *shown, str(config.digest_timezone), config.outbox is None, _code())
    content = print_of(repr(seen).encode())
    return Known(print_of(f"{content} {standing.tallies}".encode()), content)


@cache
def _code() -> str:
    """A print of the release: of templates, static files and code of the pages."""
    root = Path(__file__).parents[1]
    found = sha256(schema.RELEASE.encode())
    for folder in ("templates", "static", "readers"):
        for path in sorted((root / folder).rglob("*.*")):
            if path.suffix in (".py", ".html", ".css", ".js", ".svg", ".png"):
                found.update(path.read_bytes())
    return found.hexdigest()
