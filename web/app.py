"""The Flask application: readers' pages and forms, the console, and the health checks."""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Flask
from markupsafe import Markup
from werkzeug.routing import BaseConverter

from db import schema, signing_keys
from db.engine import sessions_at_most
from db.errors import SQLAlchemyError
from db.rules import share
from db.setting_errors import BadSettings
from db.settings import settings
from db.signing_keys import ForeignSigningKey
from emails.letters import day as day_in_words
from web import (
    bulkhead,
    errors,
    feedback,
    headers,
    health,
    limits,
    metrics,
    operator,
    origins,
    readable,
    request_log,
    visitor,
)
from web.page_templates import Templates
from web.readers import (
    answers,
    mailed_votes,
    outbox,
    pages,
    places,
    scores,
    stamps,
    static_files,
    subscriptions,
    votes,
    watch,
)
from worker import bell
from worker.processes import heartbeats, logs

LARGEST_BODY = 64 * 1024
"""The largest request body; the largest form for readers holds an email address."""

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Slug(BaseConverter):
    """A URL converter for slugs; other values never reach the database."""

    regex = r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"


class Site(Flask):
    """None of its views and hooks is a coroutine, so Flask need not look at each of them again with each request."""

    jinja_environment = Templates

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app() -> Flask:
    """The application for the settings of this process."""
    app = Site(__name__)
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY, MAX_FORM_MEMORY_SIZE=LARGEST_BODY, MAX_FORM_PARTS=50)
    app.config["UPLOADS"] = feedback.UPLOADS
    app.url_map.converters["slug"] = Slug
    # No automatic redirects: they would use the request's Host, and http behind a proxy that terminates TLS.
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    origins.install(app)
    readable.install(app)
    request_log.install(app)
    answers.install(app)
    app.before_request(heartbeats.start_after_fork)
    bulkhead.install(app)
    headers.install(app)
    visitor.install(app)
    errors.install(app)
    for part in (pages, votes, mailed_votes, subscriptions, outbox, health, metrics, feedback):
        app.register_blueprint(part.blueprint)
    operator.install(app)
    app.jinja_env.globals.update(_words())
    bell.attach()
    if settings().trusted_proxies:
        app.wsgi_app = visitor.behind_proxies(  # type: ignore[method-assign, assignment]
            app.wsgi_app, settings().trusted_proxies
        )
    return app


def _words() -> dict[str, Any]:
    """The globals of all templates."""
    config = settings()
    site = {
        "name": config.site_name,
        "base_url": config.base_url,
        "postal_address": config.mail_postal_address,
        "weekday": _WEEKDAYS[config.digest_schedule.weekday],
    }
    return {
        "site": site,
        "static": static_files.url,
        "part": places.part,
        "stamp": stamps.todays,
        "share": share,
        "number": scores.number,
        "panel_bar": scores.panel_bar,
        "community_bar": scores.community_bar,
        "length_class": _length_class,
        "day": _day,
        "moment": _moment,
        "outbox_is_open": outbox.is_shown,
        "consent_words": subscriptions.CONSENT_WORDS,
    }


def _length_class(heading: str) -> Markup:
    """The class that sets a long heading smaller."""
    return Markup(' class="long longer"' if len(heading) > 110 else ' class="long"' if len(heading) > 36 else "")


def _day(when: datetime) -> Markup:
    local = when.astimezone(settings().digest_timezone)
    return Markup('<time datetime="{}">{}</time>').format(local.date().isoformat(), day_in_words(local))


def _moment(when: datetime) -> Markup:
    local = when.astimezone(settings().digest_timezone)
    words = f"{day_in_words(local)}, {local:%H:%M} {local.tzname()}"
    return Markup('<time datetime="{}">{}</time>').format(local.isoformat(timespec="minutes"), words)


def __getattr__(name: str) -> Flask:
    """`web.app:app` is made when a server asks for it, and is then a process of the site with a heartbeat."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    logs.take_over()
    record_key()
    globals()["app"] = made = create_app()
    _read_templates(made)
    if threads := limits.web_threads():
        sessions_at_most(max(threads, 2))  # all but one for pages, and one for heartbeats
    heartbeats.start("web")
    watch.start(answers.store_of(made))
    return made


def _read_templates(app: Flask) -> None:
    """Now, and not at the first page that needs them: by then another release's may lie there."""
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)


def record_key() -> None:
    """End this web server if its signing key is not the site's. Without a usable database yet, requests check it."""
    try:
        if schema.standing().may_run:
            signing_keys.record()
    except (ForeignSigningKey, BadSettings) as error:
        sys.exit(f"Error: {error}")
    except (SQLAlchemyError, OSError):
        return
