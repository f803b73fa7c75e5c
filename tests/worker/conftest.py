"""What stands between the worker and its mail server in these tests."""

import pytest

from tests import erasing
from tests.transports import Transport
from worker import jobs as worker_jobs
from worker import mail_connections, send_slice, tasks


@pytest.fixture
def door(database, clock, setting, monkeypatch) -> Transport:
    setting(MAIL_URL="smtp://relay.example:25", MAIL_FROM="Verdicts <digest@verdicts.example>")
    made = Transport()
    monkeypatch.setattr(mail_connections, "open_transport", lambda url: made)
    monkeypatch.setattr(mail_connections, "_kept", {})
    monkeypatch.setattr(send_slice, "_histories", {})
    monkeypatch.setattr(send_slice, "_paces", {})
    return made


@pytest.fixture
def zelda(database, clock, house, setting) -> None:
    """Zelda signs up and gets her letter, into a Maildir."""
    setting(MAIL_URL="maildir:outbox")
    erasing.sign_up()
    worker_jobs.work()
    tasks.send_unless_paused()
