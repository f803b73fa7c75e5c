"""The layout of all console pages: the health strip, the menu, and paused queues."""

from dataclasses import dataclass
from datetime import datetime

from flask import current_app, request

from db import moments, schema
from db.monitoring import backlog, visitors
from db.monitoring.backlog import Backlog
from db.session import reading
from db.settings import settings
from web.operator.frame import health
from web.operator.frame.access import blueprint, may, minimum_of
from web.operator.frame.health import Sign

MENU = (
    (
        ("Overview", "operator.overview"), ("Digests", "operator.digests"), ("Deliveries", "operator.deliveries"),
        ("Failed jobs", "operator.jobs"), ("Queues", "operator.queues"), ("Schedule", "operator.schedule"),
    ),
    (("People", "operator.explain"), ("Suppressions", "operator.suppressions")),
    (("Audit log", "operator.audit"), ("Webhooks", "operator.webhooks_page"),
     ("DNS", "operator.dns"), ("Accounts", "operator.accounts")),
)  # fmt: skip
"""The menu's groups; pages that do not exist or that the operator may not open are left out."""


@dataclass(frozen=True, slots=True)
class Place:
    """One line of the menu."""

    name: str
    endpoint: str
    count: str
    here: bool
    first: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything around a page's own content."""

    now: datetime
    strip: list[Sign]
    menu: list[Place]
    paused: list[Backlog]
    warning: str | None
    release: str = schema.RELEASE
    revision: str = schema.REVISION


@blueprint.app_template_global()
def console_layout(here: str | None) -> Layout:
    """The layout of the current page; `here` is its endpoint in the menu."""
    now = moments.now()
    with reading() as session:
        strip, counts = health.strip(session, now), health.counts(session, now)
        paused = backlog.standing(session, now)
        proxy = visitors.hidden_behind(session, settings(), now)
    here = here or request.endpoint or ""
    menu: list[Place] = []
    for at, group in enumerate(MENU):
        for name, endpoint in group:
            minimum = minimum_of(endpoint)
            if minimum and may(minimum):
                first = bool(at) and not any(place.endpoint in dict(group).values() for place in menu)
                menu.append(Place(name, endpoint, counts.get(endpoint, ""), endpoint == here, first))
    return Layout(now, strip, menu, paused, visitors.advice(proxy) if proxy else None)


@blueprint.app_template_global()
def exists(endpoint: str) -> bool:
    """Whether the console has this page."""
    return endpoint in current_app.view_functions
