"""Costly counts, of digests and of lists alike, are kept in one cache, and nobody sees what an action made untrue."""

import threading
from datetime import UTC, datetime

import pytest

from db.deliveries import accounts
from db.digests import digests
from db.session import reading, writing
from web.operator import digest_progress
from web.operator.frame import cached


@pytest.fixture
def counts(monkeypatch) -> list[str]:
    """The digest's state at each count of its ledger."""
    seen = []
    progress = accounts.progress
    monkeypatch.setattr(
        accounts, "progress", lambda session, digest: seen.append(digest.state) or progress(session, digest)
    )
    return seen


def look(app, slot: str, patience: float | None = None):
    with app.app_context(), reading() as session:
        digest = digests.by_slot(session, slot)
        return digest_progress.of(digest, patience)


def grow_old(app) -> None:
    for entry in app.extensions["digests"].values():
        entry.until = 0.0


@pytest.mark.once
def test_a_digest_is_counted_anew_as_soon_as_its_state_changes(app, sending, counts, monkeypatch):
    monkeypatch.setattr(cached, "LEAST", 60.0)
    monkeypatch.setattr(cached, "TIMES", 100_000)  # the first look would hold for long
    first = look(app, sending)
    assert look(app, sending) is first
    with writing() as session:
        digests.move(session, sending, "pause", datetime.now(UTC))
    assert look(app, sending) is not first
    assert counts == ["sending", "paused"]


@pytest.mark.once
def test_an_old_look_is_waited_for_no_longer_than_a_page_may_and_then_shown(app, sending, monkeypatch):
    first = look(app, sending)
    grow_old(app)
    may_answer = threading.Event()
    progress = accounts.progress
    monkeypatch.setattr(accounts, "progress", lambda *given: may_answer.wait(30) and progress(*given))
    try:
        assert look(app, sending, patience=0.01) is first
    finally:
        may_answer.set()
    assert look(app, sending) is not first


@pytest.mark.once
def test_a_count_that_an_action_overtook_is_never_shown(app, sending, monkeypatch):
    begun, may_answer = threading.Event(), threading.Event()
    progress = accounts.progress

    def slow(session, digest):
        found = progress(session, digest)
        begun.set()
        may_answer.wait(30)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(accounts, "progress", slow)
        assert look(app, sending, patience=0.0) is None
        assert begun.wait(30)
        [overtaken] = app.extensions["digests"].values()
        with app.app_context(), reading() as session:
            digest_progress.forget(digests.by_slot(session, sending).id)
    may_answer.set()
    assert look(app, sending) is not None
    assert overtaken not in app.extensions["digests"].values()


@pytest.mark.once
def test_a_count_that_fails_is_not_begun_anew_by_every_page(app, sending, monkeypatch):
    asked = []

    def fails(session, digest):
        asked.append(digest)
        raise RuntimeError("the database gave up after its time-out")

    monkeypatch.setattr(accounts, "progress", fails)
    assert [look(app, sending) for _ in range(5)] == [None] * 5
    assert len(asked) == 1
    grow_old(app)
    look(app, sending)
    assert len(asked) == 2


@pytest.mark.once
def test_the_rate_is_measured_between_looks_of_the_last_half_minute(app, sending):
    seen = [(float(at), at * 100) for at in range(0, 100, 10)]
    assert digest_progress._recent(tuple(seen)) == tuple(seen[-4:])
    assert digest_progress._recent(((0.0, 0), (50.0, 90))) == ((0.0, 0), (50.0, 90))
    with reading() as session:
        assert digest_progress._rate(session, ((0.0, 0), (50.0, 100))) == 2.0


@pytest.mark.once
def test_a_result_holds_for_twenty_times_what_it_took_and_a_second_at_least():
    assert cached.fresh_for(0.01) == 1.0
    assert cached.fresh_for(0.2) == 4.0
    assert cached.fresh_for(0.2, least=10) == 10
