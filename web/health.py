"""Health checks: whether this process answers (/healthz), and whether its database and Redis do (/readyz)."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import redis
from flask import Blueprint, Response, jsonify, make_response

from db import guard, moments, schema
from db.errors import PoolTimeout, SQLAlchemyError
from db.refusals import in_short
from db.session import reading
from db.settings import settings
from worker import redis_client
from worker.processes import heartbeats
from worker.sending import transport_kinds

PATIENCE = 2.0
"""Seconds that a request waits for an answer of the database or of Redis."""
PATIENCE_AFTER_FAILURE = 0.3
"""The same when the last answer did not come in time: requests that wait take threads from pages."""

T = TypeVar("T")
blueprint = Blueprint("health", __name__)


class Probe(Generic[T]):
    """Asks a server that may never answer: once at a time, in a thread of its own, and nobody waits long for it."""

    def __init__(self, ask: Callable[[], tuple[bool, T]]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._went_well = True
        self._under_way: _UnderWay[T] | None = None

    def result(self) -> T | int:
        """What an answer said that came just now; or for how many seconds one has been awaited in vain."""
        with self._lock:
            probe = self._under_way
            if probe is None or probe.over.is_set():
                probe = self._under_way = _UnderWay()
                threading.Thread(target=self._run, args=(probe,), name="probe", daemon=True).start()
        left = probe.began + (PATIENCE if self._went_well else PATIENCE_AFTER_FAILURE) - time.monotonic()
        probe.over.wait(max(left, 0.0))
        if probe.found is None:
            self._went_well = False
            return max(1, round(time.monotonic() - probe.began))
        return probe.found

    def _run(self, probe: "_UnderWay[T]") -> None:
        try:
            self._went_well, probe.found = self._ask()
        finally:
            probe.over.set()


class _UnderWay(Generic[T]):
    def __init__(self) -> None:
        self.began, self.over = time.monotonic(), threading.Event()
        self.found: T | None = None


@blueprint.get("/healthz")
def alive() -> Response:
    response = make_response("ok\n")
    response.mimetype = "text/plain"
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/readyz")
def ready() -> Response:
    """503 without the database, or when this process could not write to it for some seconds; it writes nothing itself.

    Without Redis the site still serves pages, and queued work waits for the next poll.
    """
    found, answers = _at_database.result(), _at_redis.result()
    usable, database, revision, mail = found if isinstance(found, tuple) else (False, _silent(found), None, _NOT)
    written, heartbeat = heartbeats.how_it_went()
    response = jsonify(
        ready=usable and written, database=database, heartbeat=heartbeat,
        redis=answers if isinstance(answers, str) else _silent(answers), mail=mail,
        release=schema.RELEASE, needs=schema.REVISION, revision=revision,
    )  # fmt: skip
    response.status_code = 200 if usable and written else 503
    response.headers["Cache-Control"] = "no-store"
    return response


_NOT = "not looked at"
Database = tuple[bool, str, str | None, str]
"""Whether this release can use the database, a sentence about its state, its revision, and what there is of mail."""


def _silent(seconds: int) -> str:
    return f"has not answered for {seconds} s"


def _database() -> tuple[bool, Database]:
    try:
        found = schema.standing()
    except (SQLAlchemyError, PoolTimeout) as error:
        return False, (False, f"does not answer: {in_short(error)}", None, _NOT)
    except (OSError, ValueError):  # BadSettings is a ValueError
        return False, (False, "does not answer", None, _NOT)
    told = "ok" if found.answer == "this" else found.told
    return True, (found.may_run, told, found.revision or None, _mail() if found.may_run else _NOT)


def _mail() -> str:
    """Which senders let letters wait, and why. It makes nothing unready: pages need no sender."""
    try:
        with reading() as session:
            if found := guard.standing(session):
                return found.told
            return " ".join(transport_kinds.differences(session, moments.now())) or "ok"
    except SQLAlchemyError:
        return _NOT


def _redis() -> tuple[bool, str]:
    try:
        with redis_client.connect(settings(), 1) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError):
        return False, "does not answer"
    return True, "ok"


_at_database, _at_redis = Probe(_database), Probe(_redis)
