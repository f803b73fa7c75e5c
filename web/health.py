"""Health checks: whether this process answers (/healthz), and whether its database and Redis do (/readyz)."""

import redis
from flask import Blueprint, Response, jsonify, make_response

from db import migrations
from db.errors import SQLAlchemyError
from db.session import reading
from db.settings import BadSettings, settings

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> Response:
    response = make_response("ok\n")
    response.mimetype = "text/plain"
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/readyz")
def ready() -> Response:
    """503 without the database. Without Redis the site still serves pages, and queued work waits for the next poll."""
    database, bell = _database(), _redis()
    response = jsonify(ready=database == "ok", database=database, redis=bell)
    response.status_code = 200 if database == "ok" else 503
    response.headers["Cache-Control"] = "no-store"
    return response


def _database() -> str:
    try:
        with reading() as session:
            session.connection()
        return "ok" if migrations.is_current() else "not migrated: run `verdicts db upgrade`"
    except (SQLAlchemyError, OSError):
        return "does not answer"


def _redis() -> str:
    try:
        with redis.Redis.from_url(settings().redis_url, socket_connect_timeout=1, socket_timeout=1) as client:
            client.ping()
    except (redis.RedisError, BadSettings):
        return "does not answer"
    return "ok"
