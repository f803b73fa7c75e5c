"""A copy is taken in the middle of a send: restored, it stays silent; confirmed, nobody gets the letter twice."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from db import engine, guard, signing_keys
from db.deliveries import deliveries
from db.digests import digests
from db.jobs import jobs
from db.jobs.events import SubscriptionRequested
from db.monitoring.heartbeats import Heartbeat
from db.operators.audit import Actor
from db.session import reading, writing
from db.subscribers import subscribers, subscriptions, suppressions
from emails.replies import Outcome, judge
from tests import conftest
from tests.transports import SLOT, Transport, digest, run, state, states
from tests.worker.conftest import door  # noqa: F401  a fixture
from tests.worker.processes.test_looks import pulse  # noqa: F401  a fixture
from web.actions.subscribers import subscribers as actions
from web.cli import main
from worker import tasks
from worker.people import forgetting
from worker.processes.looks import Looks
from worker.processes.schedule import ENTRIES

pytestmark = pytest.mark.long

READERS, AT_THE_COPY = 30, 12
OTHER = {"sqlite": "postgresql", "postgresql": "sqlite"}


def verdicts(*words: object) -> str:
    done = CliRunner().invoke(main, [str(each) for each in words])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def old(database: str, door: Transport, clock) -> str:  # noqa: F811
    """A site that is in the middle of sending when its copy is made; a sign-up and a job are owed as well."""
    signing_keys.record()
    digest(clock, READERS)
    with writing() as session:
        deliveries.owe(session, "welcome", 1, "subscriber:1", clock.now)
        jobs.record(session, SubscriptionRequested(1, 2), clock.now)
        digests.open_slot(session, "2026-W48", clock.now.replace(day=24, hour=9), clock.now)
        later = clock.now.replace(day=18).isoformat(" ")
        session.execute(text("UPDATE deliveries SET not_before = :later WHERE letter = 'welcome'"), {"later": later})
    return database


@pytest.fixture
def moved(request, setting, tmp_path) -> Callable[[], str]:
    """Point DATABASE_URL at a new database of the other kind."""

    def move() -> str:
        url = f"sqlite:///{tmp_path}/new.sqlite3"
        if engine.database_url().startswith("sqlite"):
            server = request.getfixturevalue("_postgresql_server")
            conftest._order(server, "DROP DATABASE IF EXISTS fresh WITH (FORCE)", "CREATE DATABASE fresh")
            url = conftest._renamed(server, "fresh")
        setting(DATABASE_URL=url)
        return url

    return move


def copied_amid(door: Transport, file: Path, then: Callable[[], object] = lambda: None) -> None:  # noqa: F811
    """Send; while the twelfth letter is at the mail server, a back-up is made."""

    def answer(to: str, number: int) -> Outcome:
        if number == AT_THE_COPY:
            verdicts("backup", file)
            then()
        return judge("dot", 250, "2.0.0 taken")

    door.answer = answer


def everything_looks(pulse) -> None:  # noqa: F811
    """Every look of a worker and a sender, once."""
    made = Looks("worker", {entry: tasks.WORKS[entry.task] for entry in ENTRIES if entry.task in tasks.WORKS})
    for each in made.looks.values():
        made.one(each)


def test_a_restored_copy_stays_silent_and_then_doubles_nobody(old, door, moved, clock, tmp_path, pulse):  # noqa: F811
    copied_amid(door, tmp_path / "copy")
    run()
    assert states() == {"sent": READERS}
    moved()
    verdicts("restore", tmp_path / "copy")
    before = states()
    assert before["sending"] + before.get("pending", 0) + before["sent"] == READERS
    clock.forward(days=8)
    everything_looks(pulse)
    assert states() == before, "nothing is sent, recovered or deleted"
    assert len(door.sent) == READERS
    told = verdicts("restore", "confirm", "--yes")
    assert "Who left, was erased or complained since then is not known here" in told
    assert "digest 2026-W48 may have gone out since" in told
    assert states() == {"sent": before["sent"], "unknown": READERS - before["sent"]}
    with reading() as session:
        assert digests.get(session, "2026-W48").state == "held"
        found = {each.kind: each.state for each in jobs.listed(session, list(jobs.STATES))}
        assert found["SubscriptionRequested"] == "discarded"
        assert [each.state for each in deliveries.of_person(session, "subscriber:1")][-1:] == ["cancelled"]
        assert guard.standing(session) is None
        assert session.scalar(text("SELECT count(*) FROM claims")) == 0
    everything_looks(pulse)
    assert len(door.sent) == READERS, "everybody got one letter, from the old site alone"
    verdicts("deliveries", "resolve", SLOT, "--sent")
    assert state() == "finished"


def test_a_copy_goes_on_exactly_where_the_old_site_ended(old, door, moved, clock, tmp_path, pulse):  # noqa: F811
    """The old site sent some more after the copy, and then ended for good."""

    def answer(to: str, number: int) -> Outcome:
        if number == AT_THE_COPY:
            verdicts("backup", tmp_path / "copy")
        if number == 20:
            with writing() as session:  # an operator pauses the site, and never starts it again
                digests.move(session, SLOT, "pause", clock.now)
        return judge("dot", 250, "2.0.0 taken")

    door.answer = answer
    run()
    there = states()
    assert there["sent"] < READERS
    with writing() as session:
        digests.move(session, SLOT, "resume", clock.now)
    moved()
    verdicts("restore", tmp_path / "copy")
    verdicts("restore", "confirm", "--old", old, "--yes")
    assert states() == there
    door.answer = lambda to, number: judge("dot", 250, "2.0.0 taken")
    run()
    assert states() == {"sent": READERS}
    assert set(Counter(to for to, _ in door.sent).values()) == {1}, "each reader got one letter"
    with engine.elsewhere(old), reading() as session:
        assert guard.standing(session).how == "moved"
    with engine.elsewhere(old):
        assert not tasks.send_unless_paused()


def test_a_digest_that_has_finished_there_is_finished_here(old, door, moved, clock, tmp_path):  # noqa: F811
    copied_amid(door, tmp_path / "copy")
    run()
    assert state() == "finished"
    moved()
    verdicts("restore", tmp_path / "copy")
    verdicts("restore", "confirm", "--old", old)
    assert (states(), state()) == ({"sent": READERS}, "finished")
    with reading() as session:
        told = [each.kind for each in jobs.listed(session, list(jobs.STATES))]
    assert "DigestFinished" not in told, "webhooks were told by the old site"


def test_who_departed_since_is_let_go_before_anything_is_sent(old, door, moved, clock, tmp_path):  # noqa: F811
    copied_amid(door, tmp_path / "copy")
    run()
    with writing() as session:
        subscriptions.leave(session, 3, "link", clock.now)
        suppressions.suppress(session, "reader-4@reader.example", "complaint", clock.now)
    actions.erase(Actor("command: test"), 5, clock.now)
    moved()
    verdicts("restore", tmp_path / "copy")
    told = verdicts("restore", "confirm", "--old", old, "--yes")
    for line in ("1 left, 1 erased; newly suppressed: 1 complaint, 1 erased", "left: subscriber 3 reader-3@",
                 "erased: subscriber 5", "complained: subscriber 4"):  # fmt: skip
        assert line in told
    assert "reader-5@" not in told
    with reading() as session:
        assert {each: subscribers.find(session, each).state for each in (3, 4, 5, 6)} == {
            3: "unsubscribed", 4: "active", 5: "erased", 6: "active",
        }  # fmt: skip
        assert suppressions.counts(session)["complaint"] == 1


def test_a_frozen_digest_is_addressed_to_all_and_held(database, door, moved, clock, tmp_path, monkeypatch):  # noqa: F811
    signing_keys.record()
    digest(clock, READERS)
    with writing() as session:
        session.execute(text("UPDATE digests SET state = 'frozen', addressed_to = 10"))
        session.execute(text("DELETE FROM deliveries WHERE id > 10"))
    verdicts("backup", tmp_path / "copy")
    moved()
    verdicts("restore", tmp_path / "copy")
    verdicts("restore", "confirm")
    assert (states(), state()) == ({"unknown": READERS}, "sending")


def test_confirming_is_refused_where_it_would_do_harm(old, door, moved, clock, tmp_path):  # noqa: F811
    def refused(*words: str) -> str:
        done = CliRunner().invoke(main, ["restore", "confirm", *words])
        assert done.exit_code in (1, 2)
        return done.output

    assert "no copy that waits" in refused()
    verdicts("backup", tmp_path / "copy")
    with writing() as session:
        at = dict.fromkeys(("started_at", "at", "alive_at"), clock.now)
        session.add(Heartbeat(process="a", kind="sender", done=0, seconds=0.0, **at))
    new = moved()
    verdicts("restore", tmp_path / "copy")
    assert "still runs (sender)" in refused("--old", old)
    assert "this very database" in refused("--old", new)
    assert "cannot be used" in refused("--old", "mysql://x/y")
    assert "does not exist" in refused("--old", f"sqlite:///{tmp_path}/none.sqlite3")
    told = json.loads(verdicts("restore", "confirm", "--json"))
    assert told["done"]["unknown"] == {SLOT: READERS}


def test_nothing_of_the_cleaning_runs_in_a_copy(database, clock, pulse, cast):  # noqa: F811
    form = {"words": "Yes", "words_version": "1", "locale": "en", "form_url": "/", "ip": None, "user_agent": None}
    with writing() as session:
        subscriptions.request(session, cast.alice, **form, now=clock.now)
        guard.stand(session, "back-up", clock.now, 0, 0)
    clock.forward(days=15)
    everything_looks(pulse)
    with reading() as session:
        assert subscribers.by_address(session, cast.alice)
    forgetting.forget()
    with reading() as session:
        assert not subscribers.by_address(session, cast.alice)
