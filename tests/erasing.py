"""Zelda signs up and is erased, for tests of what is left of her."""

import pytest
from sqlalchemy import text

from db import moments
from db.monitoring.alerts import Condition
from db.operators.audit import Actor
from db.session import reading, writing
from db.subscribers import subscriptions
from tests import filled
from tests.filled import ZELDA
from web.actions.subscribers import subscribers as actions
from worker.alerts.erasures import unfinished_erasures
from worker.jobs import jobs

DANA = Actor("dana@newsroom.example")
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def sign_up() -> None:
    with writing() as session:
        subscriptions.request(
            session, ZELDA, words="Yes", words_version="1", locale="en", now=moments.now(),
            form_url=f"http://localhost/subscribe/{ZELDA}", ip=filled.NETWORK, user_agent=filled.BROWSER,
        )  # fmt: skip


def erase() -> None:
    actions.erase_address(DANA, ZELDA.upper(), moments.now(), f"She asked from {ZELDA}")


def alerts_of_erasures() -> list[Condition]:
    with reading() as session:
        return list(unfinished_erasures(session, moments.now()))


def failed_attempts() -> int:
    with reading() as session:
        return session.scalar(text("SELECT count(*) FROM attempts WHERE outcome = 'failed'")) or 0


def states() -> list[str]:
    with reading() as session:
        return [state for (state,) in session.execute(text("SELECT state FROM jobs ORDER BY id"))]


def work() -> None:
    """Work until no job is due; on a busy machine that takes more than one slice of ten seconds."""
    while jobs.work():
        pass
