"""The operators' console at /operator."""

from flask import Flask

from web.operator import (
    accounts,
    audit,
    deliveries,
    digest_actions,
    digests,
    dns,
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
    suspected,
    webhook_changes,
    webhooks,
)
from web.operator.frame import access, errors, formats, health, layout, masking, sessions

PAGES = (
    accounts,
    audit,
    deliveries,
    digests,
    digest_actions,
    dns,
    login,
    layout,
    masking,
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
    suspected,
    webhooks,
    webhook_changes,
    formats,
)
"""Importing these modules registers their pages on the blueprint."""


def install(app: Flask) -> None:
    """Install the console on `app`: its sessions, its access guard and its pages."""
    sessions.install(app)
    app.register_blueprint(access.blueprint)
