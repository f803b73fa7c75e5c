"""The operators' console at /operator: what is owed, what failed, and who did what."""

from flask import Flask

from web.operator import (
    access,
    accounts,
    audit,
    deliveries,
    digests,
    doors,
    frame,
    health,
    jobs,
    mending,
    overview,
    own,
    people,
    previews,
    queues,
    refusals,
    schedule,
    sessions,
    suppressions,
    words,
)

ROOMS = (
    accounts, audit, deliveries, digests, doors, frame, health, jobs, mending, overview, own, people, previews, queues,
    refusals, schedule, suppressions, words,
)  # fmt: skip
"""Each fills the blueprint with its pages as it is imported."""


def install(app: Flask) -> None:
    """Open the console on `app`: its sessions, its guard and its pages."""
    sessions.install(app)
    app.register_blueprint(access.rooms)
