"""An erasure beside those who read, send, fail, sign up and are killed at the same time."""

import os
import signal
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from db.deliveries import deliveries
from db.jobs import jobs
from db.jobs.events import SubscriptionRequested
from db.monitoring import pauses
from db.session import reading, writing
from db.settings import settings
from db.subscribers import subscribers
from db.webhooks import webhooks
from emails.replies import Outcome
from emails.transports.maildir import MaildirTransport
from tests import filled
from tests.claiming import make_digest
from tests.erasing import DANA, alerts_of_erasures, erase, on_sqlite, sign_up, states, work
from tests.filled import STORED, ZELDA
from web.actions import jobs as job_actions
from web.actions import queues
from web.actions.digests import digests as digest_actions
from worker import tasks
from worker.jobs import reactions


@on_sqlite
def test_a_reader_of_an_older_state_is_waited_for(zelda, house: Path, clock):
    backup = sqlite3.connect(settings().database_url.removeprefix("sqlite:///"), isolation_level=None)
    backup.execute("BEGIN")
    assert backup.execute("SELECT count(*) FROM subscribers").fetchone() == (1,)
    erase()
    work()
    assert states()[-1] == "pending"
    assert filled.in_files(house), "the back-up still reads the state from before"
    with reading() as session:
        waiting = jobs.get(session, len(states()))
        assert (waiting.kind, waiting.error) == ("ErasureWritten", "NotYet")
    assert alerts_of_erasures() == []
    for _ in range(8):  # as often as it takes; it is never dead
        clock.forward(hours=1)
        work()
    [alert] = alerts_of_erasures()
    assert "Somebody reads an older state of the database, such as a back-up" in alert.told[0]
    backup.close()
    clock.forward(minutes=6)
    work()
    assert set(states()) == {"succeeded"}
    assert filled.in_files(house) == []


def test_a_letter_in_the_senders_hands_is_waited_for(zelda, house: Path, clock):
    """Also with a sender of an older release, which writes the reply as the server said it."""
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sending'"))
    erase()
    work()
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'failed', reply = :said"), {"said": filled.QUOTED})
    (house / "outbox/new/confirm-1").write_text(f"To: {STORED}")
    (house / "outbox/cur/confirm-1:2,S").write_text(f"To: {STORED}")
    clock.forward(minutes=1)
    work()
    assert filled.in_tables() == set()
    assert filled.in_files(house) == []


def test_whoever_is_erased_while_a_server_refuses_the_letter_does_not_come_back_in_its_reply(
    zelda, house: Path, clock, monkeypatch
):
    def refuses(self, letter, *_):
        erase()
        return Outcome("refused", 550, f"550 5.1.1 <{letter.to}> is unknown", "rcpt", "address")

    monkeypatch.setattr(MaildirTransport, "send", refuses)
    clock.forward(minutes=15)
    sign_up()
    work()
    tasks.send_unless_paused()
    with reading() as session:
        replies = [each.reply for each in deliveries.of_person(session, "subscriber:1")]
    assert replies == [None, "550 5.1.1 <z…@x….example> is unknown"]
    clock.forward(minutes=1)
    work()
    assert filled.in_tables() == set()


def test_whoever_signs_up_again_meanwhile_is_somebody_new_and_stays(zelda, clock):
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sending'"))
    erase()
    clock.forward(minutes=15)
    sign_up()
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sent'"))
    clock.forward(minutes=15)
    work()
    with reading() as session:
        found = subscribers.by_address(session, ZELDA)
        assert found is not None
        assert (found.id, found.state, found.address) == (2, "pending", STORED)
        assert subscribers.history(session, 2)[0].ip == filled.NETWORK


def test_an_erasure_that_breaks_off_leaves_everything_or_nothing(zelda, monkeypatch):
    before, owed = filled.in_tables(), states()

    def full(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr("db.operators.audit.record", full)
    with pytest.raises(OSError, match="full"):
        erase()
    assert (filled.in_tables(), states()) == (before, owed)


@on_sqlite
def test_a_command_that_is_killed_amid_leaves_everything_or_nothing(zelda):
    before, owed = filled.in_tables(), states()
    if (child := os.fork()) == 0:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("db.operators.audit.record", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
            erase()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert (filled.in_tables(), states()) == (before, owed)
    erase()
    work()
    assert filled.in_tables() == set()


def test_a_job_that_fails_after_the_erasure_quotes_nobody(zelda, clock, monkeypatch):
    def quotes(session, event, now):
        raise LookupError(filled.QUOTED)

    clock.forward(minutes=15)
    sign_up()
    erase()
    monkeypatch.setitem(reactions.REACTIONS, SubscriptionRequested, (quotes,))
    work()
    with reading() as session:
        told = session.execute(text("SELECT message, traceback FROM attempts WHERE outcome = 'failed'")).one()
    assert told.message.startswith("550 5.1.1 who is <z…@x….example>")
    assert "LookupError: 550 5.1.1 who is <z…@x….example>" in told.traceback
    assert filled.in_tables() == set()


def test_a_reason_that_somebody_types_later_names_nobody(database, clock):
    why = f"{ZELDA} wrote to us"
    make_digest(1)
    with writing() as session:
        session.add(jobs.Job(kind="Any", payload={}, state="dead", run_after=clock.now, created_at=clock.now))
    webhooks.disable(webhook := webhooks.Webhook(), "admin", why, clock.now)
    assert webhook.reason == "z…@x….example wrote to us"
    queues.pause(DANA, "mail", why, clock.now)
    digest_actions.move(DANA, "2026-W47", "pause", clock.now, reason=why)
    job_actions.discard(DANA, [1], why, clock.now)
    with reading() as session:
        assert [each.reason for each in pauses.paused(session)] == ["z…@x….example wrote to us"]
    assert filled.in_tables() == set()


def test_a_digest_that_was_addressed_to_her_before_goes_to_nobody(zelda, house: Path, clock):
    with writing() as session:
        session.execute(text("UPDATE subscribers SET state = 'active', joined = 0, confirmed_at = '2026-11-17'"))
    clock.set(datetime(2026, 11, 17, 9, tzinfo=UTC))
    make_digest(1)
    erase()
    work()
    tasks.send_unless_paused()
    with reading() as session:
        addressed = deliveries.of_person(session, "subscriber:1")[-1]
    assert (addressed.letter, addressed.state, addressed.reply) == ("digest", "skipped", None)
    assert len(list((house / "outbox/new").iterdir())) == 1, "the other reader's"
    assert filled.in_tables() == set()


def test_a_letter_of_which_no_row_tells_any_more_goes_too(zelda, house: Path):
    """Deliveries are removed after thirteen months, and the Maildir may be that of before a mail server was set."""
    (house / "var/outbox/cur").mkdir(parents=True)
    other, bobs = house / "var/outbox/cur/digest-7:2,S", house / "var/outbox/cur/digest-8:2,"
    other.write_text(f"Subject: Hello\r\nTo: {STORED.upper()}\r\n\r\nHello")
    bobs.write_text("Subject: Hello\r\nTo: bob@reader.example\r\n\r\nHello")
    erase()
    work()
    assert (other.exists(), bobs.exists()) == (False, True)


@on_sqlite
@pytest.mark.parametrize("amid", ["emails.transports.maildir.remove", "db.traces.mask", "db.overwriting.rebuild"])
def test_a_worker_that_is_killed_amid_is_followed_by_another(zelda, house: Path, clock, amid):
    with writing() as session:
        filled.fill(session)
    erase()
    if (child := os.fork()) == 0:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(amid, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            work()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    for _ in range(3):
        clock.forward(minutes=4)
        work()
    assert filled.in_tables() == set()
    assert filled.in_files(house) == []
