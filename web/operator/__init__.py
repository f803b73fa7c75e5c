"""The operators' console at /operator: what is owed, what failed, and who did what."""

from flask import Flask

from web.operator import (
    accounts,
    audit,
    deliveries,
    digests,
    job_actions,
    jobs,
    login,
    my_account,
    overview,
    people,
    previews,
    queues,
    schedule,
    suppressions,
)
from web.operator.frame import access, errors, formats, health, layout, sessions

PAGES = (
    accounts,
    audit,
    deliveries,
    digests,
    login,
    layout,
    health,
    jobs,
    job_actions,
    overview,
    my_account,
    people,
    previews,
    queues,
    errors,
    schedule,
    suppressions,
    formats,
)
"""Each fills the blueprint with its pages as it is imported."""


def install(app: Flask) -> None:
    """Open the console on `app`: its sessions, its guard and its pages."""
    sessions.install(app)
    app.register_blueprint(access.blueprint)
