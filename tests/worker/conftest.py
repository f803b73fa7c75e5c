"""What stands between the worker and its mail server in these tests."""

import pytest

from tests.doors import Door
from worker import sender


@pytest.fixture
def door(database, clock, setting, monkeypatch) -> Door:
    setting(MAIL_URL="smtp://relay.example:25", MAIL_FROM="Verdicts <digest@verdicts.example>")
    made = Door()
    monkeypatch.setattr(sender, "open_door", lambda url: made)
    monkeypatch.setattr(sender, "_kept", {})
    monkeypatch.setattr(sender, "_heard", {})
    monkeypatch.setattr(sender, "_paces", {})
    return made
