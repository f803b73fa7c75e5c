"""What stands between the worker and its mail server in these tests."""

import pytest

from tests.transports import Transport
from worker import mail_connections, send_slice


@pytest.fixture
def door(database, clock, setting, monkeypatch) -> Transport:
    setting(MAIL_URL="smtp://relay.example:25", MAIL_FROM="Verdicts <digest@verdicts.example>")
    made = Transport()
    monkeypatch.setattr(mail_connections, "open_transport", lambda url: made)
    monkeypatch.setattr(mail_connections, "_kept", {})
    monkeypatch.setattr(send_slice, "_histories", {})
    monkeypatch.setattr(send_slice, "_paces", {})
    return made
