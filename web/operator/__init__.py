"""The operators' console at /operator: what is owed, what failed, and who did what."""

from flask import Flask

from web.operator import access, doors, frame, health, overview, sessions, words

ROOMS = (doors, frame, health, overview, words)
"""Each fills the blueprint with its pages as it is imported."""


def install(app: Flask) -> None:
    """Open the console on `app`: its sessions, its guard and its pages."""
    sessions.install(app)
    app.register_blueprint(access.rooms)
