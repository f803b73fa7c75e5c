"""Queues stand still with a reason, and tell what they owe."""

from datetime import timedelta

import pytest

from db.deliveries.claiming import recovery
from db.deliveries.claiming.claims import Claim
from db.deliveries.deliveries import owe
from db.monitoring import backlog, pauses
from db.operators.audit import Actor, AuditEntry
from db.rules import Refused
from db.session import on_commit, reading, writing  # on_commit itself: in a test the module's own adds nobody
from tests.failed import AT, fill
from web.actions import queues as actions

pytestmark = pytest.mark.usefixtures("database")

MARA = Actor("mara@verdicts.example")


def owed() -> dict[str, backlog.Backlog]:
    with reading() as session:
        return {each.queue: each for each in backlog.all_queues(session, AT + timedelta(minutes=10))}


def test_a_pause_has_a_reason_an_actor_and_an_end():
    actions.pause(MARA, "mail", "relay moves", AT)
    with reading() as session:
        assert pauses.is_paused(session, "mail")
        assert not pauses.is_paused(session, "jobs")
        [held] = pauses.paused(session)
        assert (held.reason, held.actor, held.at) == ("relay moves", MARA.name, AT)
    with pytest.raises(Refused, match=r"paused already by mara@verdicts\.example: relay moves"):
        actions.pause(MARA, "mail", "again", AT)
    actions.resume(MARA, "mail", AT, "moved")
    with reading() as session:
        assert pauses.paused(session) == []
        kept = [(each.action, each.about, each.note) for each in session.query(AuditEntry).order_by(AuditEntry.id)]
    assert kept == [("queue.pause", "queue mail", "relay moves"), ("queue.resume", "queue mail", "moved")]


@pytest.mark.parametrize(("queue", "reason", "told"), [("bounces", "x", "no queue"), ("mail", " ", "Say why")])
def test_a_pause_of_nothing_or_without_a_reason_is_refused(queue, reason, told):
    with pytest.raises(Refused, match=told):
        actions.pause(MARA, queue, reason, AT)
    with pytest.raises(Refused):
        actions.resume(MARA, queue, AT)


def test_a_resumed_queue_is_rung_for():
    rung: list[frozenset[str]] = []
    actions.pause(MARA, "jobs", "x", AT)
    on_commit(rung.append)
    actions.resume(MARA, "jobs", AT)
    assert rung == [frozenset({"jobs"})]


def test_each_queue_tells_how_much_it_owes_and_since_when():
    fill(2, "pending", run_after=AT + timedelta(minutes=3))
    fill(1, "pending", run_after=AT + timedelta(hours=3))
    with writing() as session:
        owe(session, "confirm", 1, "subscriber:1", AT)
    found = owed()
    assert (found["jobs"].waiting, found["jobs"].oldest) == (3, AT + timedelta(minutes=3))
    assert (found["mail"].waiting, found["mail"].oldest) == (1, AT)
    assert (found["votes"].waiting, found["votes"].oldest) == (0, None)


def test_counting_ends_where_it_would_cost_too_much(monkeypatch):
    monkeypatch.setattr(backlog, "MOST", 4)
    fill(9, "pending")
    assert (owed()["jobs"].waiting, owed()["jobs"].many) == (5, True)


def test_lapsed_claims_of_senders_are_seen():
    with writing() as session:
        session.add(Claim(worker="host:7:1", lease=AT, win=8, made_at=AT))
        session.add(Claim(worker="host:8:1", lease=AT + timedelta(hours=1), win=8, made_at=AT))
    with reading() as session:
        assert [each.worker for each in recovery.lapsed(session, AT + timedelta(minutes=1))] == ["host:7:1"]
