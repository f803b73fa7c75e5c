"""A database that is a copy sends nothing, opens nothing and deletes nothing until somebody confirms it."""

from click.testing import CliRunner

from db import guard
from db.deliveries import deliveries
from db.digests import digests
from db.monitoring import pauses
from db.session import reading, writing
from tests import applications
from web.cli import main
from web.operator.frame import health
from worker import tasks
from worker.alerts import copies
from worker.processes.looks import Looks
from worker.processes.schedule import ENTRIES


def copied(clock, how: str = "back-up") -> None:
    with writing() as session:
        guard.stand(session, how, clock.now, 0, 0)


def look_once(monkeypatch) -> list[str]:
    """What a worker and a sender do when every look of theirs is due."""
    done: list[str] = []
    works = {entry: lambda task=entry.task: done.append(task) for entry in ENTRIES}
    made = Looks("worker", works)
    for each in made.looks.values():
        made.one(each)
        assert each.ended == 1
    return done


def test_only_votes_are_counted_and_alerts_watched(database, clock, monkeypatch):
    copied(clock)
    assert look_once(monkeypatch) == ["votes.fold", "alerts.watch"]
    with writing() as session:
        guard.lift(session, clock.now)
    assert look_once(monkeypatch) == [entry.task for entry in ENTRIES]
    assert set(guard.UNGUARDED) < set(tasks.WORKS)


def test_every_queue_but_the_votes_stands_still(database, clock):
    copied(clock)
    with reading() as session:
        assert [pauses.is_paused(session, each) for each in ("votes", "jobs", "mail", "outside")] == [
            False, True, True, True,
        ]  # fmt: skip


def test_a_letter_that_is_owed_waits(database, clock, setting, tmp_path):
    setting(MAIL_URL=f"maildir:{tmp_path}/outbox")
    with writing() as session:
        deliveries.owe(session, "welcome", 1, "subscriber:1", clock.now)
    copied(clock)
    assert tasks.send_unless_paused() is False
    with reading() as session:
        assert [each.state for each in deliveries.of_person(session, "subscriber:1")] == ["pending"]


def test_nobody_sends_a_digest_from_it_by_hand(database, clock, catalogue):
    copied(clock, "copy")
    for words in (["digest", "send", "--yes"], ["digest", "assemble"]):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 1
        assert "copied from another database" in done.output
        assert "verdicts restore confirm" in done.output
    with reading() as session:
        assert digests.listed(session) == []


def test_console_alert_doctor_and_readiness_say_it(sqlite, redis_url, clock):
    copied(clock)
    with reading() as session:
        first = health.strip(session, clock.now)[0]
        [alert] = copies.unconfirmed_copy(session, clock.now)
    assert (first.label, first.word, first.level) == ("Copy", "sends nothing", "bad")
    assert "verdicts restore confirm" in alert.told[0]
    assert "✕ copy: This database was restored" in CliRunner().invoke(main, ["doctor"]).output
    client = applications.application().test_client()
    assert "restored from a back-up of 2026-11-17 08:00 UTC" in client.get("/readyz").json["mail"]
