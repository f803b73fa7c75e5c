"""The doctor counts sessions, knows a pooler, and ends soon beside a database that answers nothing."""

import time
from datetime import UTC, datetime

import pytest

from db.monitoring import sessions
from db.monitoring.heartbeats import Heartbeat
from db.monitoring.sessions import Room
from db.session import writing
from tests.conftest import _close_engines
from tests.silent import door
from tests.web.cli.test_doctor import look


def test_with_sqlite_it_says_nothing_of_sessions(sqlite, redis_url):
    assert "sessions" not in look()[1]


def test_it_compares_what_the_processes_open_with_what_postgresql_has(postgresql, redis_url, setting, monkeypatch):
    setting(SEND_CONNECTIONS=6)
    code, told = look()
    assert code == 0, told
    assert "✓ sessions: the Procfile's processes would open 27 sessions at most; PostgreSQL has 9" in told
    now = datetime.now(UTC)
    with writing() as session:
        for host in ("a", "b"):
            session.add(Heartbeat(process=f"{host}:1", kind="sender", started_at=now, at=now, alive_at=now, host=host))
    assert "the site's processes (this host's: 0) open 14 sessions at most" in look()[1]
    monkeypatch.setattr(sessions, "room", lambda _: Room(allowed=20, others=7, ours=0))
    code, told = look()
    assert code == 0
    assert "! sessions: the site's processes" in told
    assert "PostgreSQL has 13 for them (7 are others'): raise max_connections" in told


def test_it_knows_a_pooler_and_a_server_that_cannot_look(postgresql, redis_url, monkeypatch):
    monkeypatch.setattr(sessions, "road", lambda _: "pooler")
    assert "! sessions: a pooler stands between" in look()[1]
    monkeypatch.setattr(sessions, "road", lambda _: "tcp")
    assert look()[1].count("sessions: ") == 1
    monkeypatch.setattr(sessions, "looks_after_clients", lambda _: False)
    assert "! sessions: this PostgreSQL cannot look" in look()[1]


@pytest.mark.waits
def test_beside_a_database_that_answers_nothing_it_ends_with_a_sentence(postgresql, redis_url, setting):
    with door(postgresql) as way:
        setting(DATABASE_URL=way.url)
        assert look()[0] == 0
        way.open.clear()
        for _ in ("a session that was open", "a new one"):
            began = time.monotonic()
            code, told = look()
            assert time.monotonic() - began < 10
            assert code == 1
            assert "✕ database: " in told
            assert "✓ redis: answers" in told
            assert "✕ clock: cannot be compared" in told
            way.open.set()
            _close_engines()
            way.open.clear()
        way.open.set()
        assert look()[0] == 0
