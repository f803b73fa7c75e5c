"""A digest leaves through the kind of transport it began with, and no letter goes into files of a public site."""

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from db.digests import digests
from db.monitoring.heartbeats import Heartbeat
from db.operators.audit import AuditEntry
from db.session import reading, writing
from db.urls import is_public
from emails.replies import judge
from tests.transports import SLOT, digest, run, states
from web.app import create_app
from web.cli import main
from worker.alerts import alerts

pytestmark = pytest.mark.once

SMTP = "smtp://relay.example:25"


def begin(door, clock, readers: int = 4) -> None:
    """Send two letters; the mailboxes of two more are full, and their letters are due again."""
    digest(clock, readers)
    taken, full = judge("dot", 250, "2.0.0 taken"), judge("rcpt", 452, "4.2.2 mailbox full")
    door.answer = lambda to, number: taken if number <= 2 else full
    run()
    assert states() == {"sent": 2, "deferred": 2}
    with writing() as session:
        session.execute(text("UPDATE deliveries SET not_before = created_at WHERE state = 'deferred'"))
    door.answer = lambda to, number: taken


def restart(clock, kind: str, base_url: str = "http://localhost:8000") -> None:
    """Write the heartbeat of a sender with this kind of MAIL_URL, the only one that runs."""
    with writing() as session:
        session.execute(text("DELETE FROM heartbeats"))
        runs = {"MAIL_URL": kind, "BASE_URL": base_url}
        session.add(Heartbeat(process="host:7", kind="sender", started_at=clock.now, at=clock.now, runs_with=runs))


def command(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["digest", *words])
    assert done.exit_code == code, done.output
    return done.output


def transport() -> str | None:
    with reading() as session:
        return digests.get(session, SLOT).transport


def test_a_sender_that_forgot_its_mail_url_books_nothing_as_sent(door, clock, setting, monkeypatch):
    begin(door, clock)
    assert transport() == "smtp"
    monkeypatch.delenv("MAIL_URL")
    setting()
    run()
    assert states() == {"sent": 2, "deferred": 2}
    setting(MAIL_URL=SMTP)
    run()
    assert states() == {"sent": 4}


def test_what_files_began_does_not_leave_for_real_by_a_restart(door, clock, setting):
    setting(MAIL_URL="maildir:outbox")
    begin(door, clock)
    setting(MAIL_URL=SMTP)
    run()
    assert (transport(), states()) == ("maildir", {"sent": 2, "deferred": 2})


@pytest.mark.parametrize("paused", [True, False])
def test_the_rest_leaves_another_way_once_somebody_says_why(door, clock, setting, paused):
    begin(door, clock)
    setting(MAIL_URL="maildir:outbox")
    restart(clock, "maildir")
    if paused:
        command("pause", SLOT)
    told = command("resume", SLOT, code=1)
    assert "began over SMTP" in told
    assert f"verdicts digest resume {SLOT} --reason WHY" in told
    assert transport() == "smtp"
    command("resume", SLOT, "--reason", "a rehearsal")
    run()
    assert (transport(), states().get("sent")) == ("maildir", 4)
    with reading() as session:
        kept = session.query(AuditEntry).filter_by(action="digest.resume").one()
    assert (kept.note, kept.before["transport"], kept.after["transport"]) == ("a rehearsal", "smtp", "maildir")


@pytest.mark.parametrize("base_url", ["https://verdicts.example", "http://verdicts.example", "http://203.0.113.9"])
def test_no_letter_is_written_into_files_of_a_public_site(door, clock, setting, base_url):
    digest(clock, 3)
    with writing() as session:
        session.execute(text("INSERT INTO deliveries (letter, about, person, state, tries, created_at, not_before)"
                             " SELECT 'welcome', 1, 'subscriber:1', 'pending', 0, created_at, not_before"
                             " FROM deliveries LIMIT 1"))  # fmt: skip
    setting(MAIL_URL="maildir:outbox", BASE_URL=base_url)
    run()
    assert door.sent == []
    assert (states(), transport()) == ({"pending": 3}, None)
    setting(MAIL_URL=SMTP)
    run()
    assert (len(door.sent), states()) == (4, {"sent": 3})


def test_no_reason_lets_a_public_site_go_on_into_files(door, clock, setting):
    begin(door, clock)
    setting(MAIL_URL="maildir:outbox", BASE_URL="https://verdicts.example")
    restart(clock, "maildir", "https://verdicts.example")
    assert "is a public site" in command("resume", SLOT, "--reason", "quick", code=1)
    assert transport() == "smtp"


@pytest.mark.parametrize(
    ("began", "base_url", "named"),
    [("smtp", "http://localhost:8000", f"digest {SLOT} began over SMTP"),
     (None, "https://verdicts.example", "https://verdicts.example is a public site")],
)  # fmt: skip
def test_the_difference_is_named_where_operators_look(door, clock, redis_url, began, base_url, named):
    digest(clock, 3)
    with writing() as session:
        digests.get(session, SLOT).transport = began
    restart(clock, "smtp", base_url)
    site = create_app().test_client()
    assert site.get("/readyz").json["mail"] == "ok"
    restart(clock, "maildir", base_url)
    ready = site.get("/readyz")
    assert ready.status_code == 200
    assert "Sender host:7" in ready.json["mail"]
    assert named in ready.json["mail"]
    told = CliRunner().invoke(main, ["doctor"])
    assert told.exit_code == 1
    assert f"✕ senders: {ready.json['mail']}" in told.output
    alerts.watch()
    with reading() as session:
        opened = session.execute(text("SELECT told FROM alerts WHERE kind = 'transport'")).scalar_one()
    assert named in opened
    clock.forward(seconds=1)
    restart(clock, "smtp", base_url)
    alerts.watch()
    with reading() as session:
        assert session.execute(text("SELECT closed_at FROM alerts WHERE kind = 'transport'")).scalar_one()


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:8000", "http://10.0.0.8",
                                 "http://192.168.1.4:8000", "http://[fd00::1]", "http://news.localhost", "http://web:8000",
                                 "http://printer.local", "http://news.corp.internal."])  # fmt: skip
def test_a_site_that_nobody_elsewhere_reaches_is_not_public(url):
    assert not is_public(url)


@pytest.mark.parametrize("url", ["https://localhost", "https://10.0.0.8", "http://8.8.8.8", "http://[2606:4700::1111]",
                                 "http://news.example.org:8080", "http://localhost.example.org"])  # fmt: skip
def test_a_site_that_others_may_reach_is_public(url):
    assert is_public(url)
