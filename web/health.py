"""Health checks: whether this process answers (/healthz), and whether its database and Redis do (/readyz)."""

import redis
from flask import Blueprint, Response, jsonify, make_response

from db import moments, schema
from db.errors import SQLAlchemyError
from db.session import reading
from db.settings import settings
from worker import heartbeats, redis_client, transport_kinds

blueprint = Blueprint("health", __name__)


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
    usable, database, revision = _database()
    written, heartbeat = heartbeats.how_it_went()
    response = jsonify(
        ready=usable and written, database=database, heartbeat=heartbeat, redis=_redis(),
        mail=_mail() if usable else "not looked at", release=schema.RELEASE, needs=schema.REVISION, revision=revision,
    )  # fmt: skip
    response.status_code = 200 if usable and written else 503
    response.headers["Cache-Control"] = "no-store"
    return response


def _database() -> tuple[bool, str, str | None]:
    """Whether this release can use the database, a sentence about the database's state, and its revision."""
    try:
        found = schema.standing()
    except (SQLAlchemyError, OSError, ValueError):  # BadSettings is a ValueError
        return False, "does not answer", None
    return found.may_run, "ok" if found.answer == "this" else found.told, found.revision or None


def _mail() -> str:
    """Which senders let letters wait, and why. It makes nothing unready: pages need no sender."""
    try:
        with reading() as session:
            return " ".join(transport_kinds.differences(session, moments.now())) or "ok"
    except SQLAlchemyError:
        return "not looked at"


def _redis() -> str:
    try:
        with redis_client.connect(settings(), 1) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError):
        return "does not answer"
    return "ok"
