"""Forgotten means forgotten: after an erasure no table, no file and no letter holds the person, in any spelling."""

import os
import random
import signal
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from db import moments, overwriting
from db.addresses import hashes_of
from db.deliveries import deliveries, tests_of_address
from db.digests import digests
from db.jobs import jobs
from db.jobs.events import SubscriptionRequested
from db.monitoring import pauses
from db.monitoring.alerts import Condition
from db.operators import audit
from db.operators.audit import Actor
from db.register import places
from db.session import reading, writing
from db.settings import settings
from db.subscribers import subscribers, subscriptions, suppressions
from db.tables import TABLES
from db.webhooks import webhooks
from emails.maildir import MaildirTransport
from emails.replies import Outcome
from tests import filled
from tests.claiming import make_digest
from tests.filled import STORED, ZELDA
from web.actions import digests as digest_actions
from web.actions import jobs as job_actions
from web.actions import queues
from web.actions import subscribers as actions
from worker import forgetting, reactions, tasks
from worker import jobs as worker_jobs
from worker.erasure_alerts import unfinished_erasures

DANA = Actor("dana@newsroom.example")
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def zelda(database, clock, house, setting) -> None:
    """Zelda signs up and gets her letter, into a Maildir."""
    setting(MAIL_URL="maildir:outbox")
    sign_up()
    worker_jobs.work()
    tasks.send_unless_paused()


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


def test_nothing_of_zelda_is_left_in_any_column_that_can_hold_a_person(zelda, house: Path):
    with writing() as session:
        columns = filled.fill(session)
    assert {f"{place.table}.{place.column}" for place in columns} <= filled.in_tables()
    assert filled.in_files(house)
    erase()
    worker_jobs.work()
    assert filled.in_tables() == set()
    assert filled.in_files(house) == []
    assert failed_attempts() == 0
    with reading() as session:
        kept = suppressions.get(session, hashes_of(STORED)[0])
        assert (kept.reason, kept.note) == ("erased", None)
        entry = session.execute(text("SELECT actor, note FROM audit WHERE action = 'people.erase'")).one()
    assert entry.actor == DANA.name
    assert entry.note.startswith("She asked from z…@")


def test_what_is_audited_is_masked_when_it_is_written(database, clock):
    fields = {"said": [filled.QUOTED], ZELDA: STORED}
    with writing() as session:
        audit.record(session, DANA, "people.any", clock.now, about=f"file {filled.QUOTED}", chosen_by=fields,
                     before=fields, after=fields, note=filled.QUOTED)  # fmt: skip
    assert filled.in_tables() == set()
    with reading() as session:
        entry = session.execute(text("SELECT * FROM audit")).mappings().one()
    for place in places(TABLES):
        if place.table == "audit" and place.word == "free text":
            assert entry[place.column], f"audit.record masks {place.column}"
    assert entry["note"].startswith("550 5.1.1 who is <z…@")


# ---- at the same time ----------------------------------------------------------------------------------------


@on_sqlite
def test_a_reader_of_an_older_state_is_waited_for(zelda, house: Path, clock):
    backup = sqlite3.connect(settings().database_url.removeprefix("sqlite:///"), isolation_level=None)
    backup.execute("BEGIN")
    assert backup.execute("SELECT count(*) FROM subscribers").fetchone() == (1,)
    erase()
    worker_jobs.work()
    assert states()[-1] == "pending"
    assert filled.in_files(house), "the back-up still reads the state from before"
    with reading() as session:
        waiting = jobs.get(session, len(states()))
        assert (waiting.kind, waiting.error) == ("ErasureWritten", "NotYet")
    assert alerts_of_erasures() == []
    for _ in range(8):  # as often as it takes; it is never dead
        clock.forward(hours=1)
        worker_jobs.work()
    [alert] = alerts_of_erasures()
    assert "Somebody reads an older state of the database, such as a back-up" in alert.told[0]
    backup.close()
    clock.forward(minutes=6)
    worker_jobs.work()
    assert set(states()) == {"succeeded"}
    assert filled.in_files(house) == []


def test_a_letter_in_the_senders_hands_is_waited_for(zelda, house: Path, clock):
    """Also with a sender of an older release, which writes the reply as the server said it."""
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sending'"))
    erase()
    worker_jobs.work()
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'failed', reply = :said"), {"said": filled.QUOTED})
    (house / "outbox/new/confirm-1").write_text(f"To: {STORED}")
    (house / "outbox/cur/confirm-1:2,S").write_text(f"To: {STORED}")
    clock.forward(minutes=1)
    worker_jobs.work()
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
    worker_jobs.work()
    tasks.send_unless_paused()
    with reading() as session:
        replies = [each.reply for each in deliveries.of_person(session, "subscriber:1")]
    assert replies == [None, "550 5.1.1 <z…@x….example> is unknown"]
    clock.forward(minutes=1)
    worker_jobs.work()
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
    worker_jobs.work()
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
    worker_jobs.work()
    assert filled.in_tables() == set()


def test_a_job_that_fails_after_the_erasure_quotes_nobody(zelda, clock, monkeypatch):
    def quotes(session, event, now):
        raise LookupError(filled.QUOTED)

    clock.forward(minutes=15)
    sign_up()
    erase()
    monkeypatch.setitem(reactions.REACTIONS, SubscriptionRequested, (quotes,))
    worker_jobs.work()
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
    worker_jobs.work()
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
    worker_jobs.work()
    assert (other.exists(), bobs.exists()) == (False, True)


@on_sqlite
@pytest.mark.parametrize("amid", ["emails.maildir.remove", "db.traces.mask", "db.overwriting.rebuild"])
def test_a_worker_that_is_killed_amid_is_followed_by_another(zelda, house: Path, clock, amid):
    with writing() as session:
        filled.fill(session)
    erase()
    if (child := os.fork()) == 0:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(amid, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            worker_jobs.work()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    for _ in range(3):
        clock.forward(minutes=4)
        worker_jobs.work()
    assert filled.in_tables() == set()
    assert filled.in_files(house) == []


# ---- every way of being forgotten ----------------------------------------------------------------------------


def test_a_sign_up_that_nobody_confirmed_leaves_as_little(zelda, house: Path, clock):
    with writing() as session:
        filled.fill(session)
        session.execute(text("UPDATE subscribers SET state = 'pending'"))
        session.execute(text("DELETE FROM test_letters"))  # an operator's, whoever the address belongs to
    clock.forward(days=14)
    forgetting.forget()
    worker_jobs.work()
    assert filled.in_tables() == set()
    assert not (house / "outbox/new/confirm-1").exists()
    assert [file for file in filled.in_files(house) if "-wal" in file] == []
    clock.forward(days=1)  # the night
    worker_jobs.work()
    assert set(states()) == {"succeeded"}
    assert filled.in_files(house) == []


def test_somebody_who_only_got_test_letters_leaves_as_little(database, house: Path, clock):
    with writing() as session:
        words = {"subject": "S", "preheader": "P", "html": "H", "text": "T"}
        asked = digests.TestLetter(digest_id=make_digest(1), address=STORED, asked_at=clock.now, **words)
        session.add(asked)
        session.flush()
        deliveries.owe(session, "test", asked.id, tests_of_address.person_of(STORED), clock.now)
        session.execute(text("UPDATE deliveries SET reply = :said WHERE letter = 'test'"), {"said": filled.QUOTED})
    erase()
    worker_jobs.work()
    assert filled.in_tables() == set()


# ---- the files of SQLite -------------------------------------------------------------------------------------


@on_sqlite
def test_a_large_file_is_rebuilt_in_the_night(zelda, house: Path, clock, monkeypatch, setting):
    monkeypatch.setattr("worker.erasure.LARGE", 1)
    setting(DIGEST_TIMEZONE="Europe/Berlin")
    erase()
    worker_jobs.work()
    with reading() as session:
        [waiting] = jobs.listed(session, ["pending"])
    assert (waiting.kind, waiting.run_after.hour) == ("TracesMasked", 2)  # 03:00 in Berlin
    clock.forward(days=1)
    worker_jobs.work()
    assert set(states()) == {"succeeded"}
    assert filled.in_files(house) == []


def test_cells_that_sqlite_moved_leave_no_copies_behind(sqlite, house: Path, clock):
    """Without rebuilding, copies of moved cells stay in unused parts of pages; secure_delete does not reach them."""
    with writing() as session:
        order = list(range(3000))
        random.Random(7).shuffle(order)
        rows = [{"id": n + 1, "a": f"Zelda{n:04}@reader.example", "k": f"zelda{n:04}@reader.example"} for n in order]
        columns, values = "id, address, address_key, state, created_at", ":id, :a, :k, 'active', '2026'"
        session.execute(text(f"INSERT INTO subscribers ({columns}) VALUES ({values})"), rows)
        session.execute(text("UPDATE subscribers SET address = NULL, address_key = NULL, state = 'erased'"))
    assert overwriting.empty_log()
    assert filled.in_files(house), "else rebuilding is not needed"
    overwriting.rebuild()
    assert overwriting.empty_log()
    assert filled.in_files(house) == []
