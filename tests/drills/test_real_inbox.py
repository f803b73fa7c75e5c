"""The inbox on a real IMAP server (Dovecot): bounces and complaints are handled and deleted, answers stay unread."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from db.session import writing
from tests import localhost, returned
from tests.drills.dovecot import DOVECOT, MISSING, Dovecot
from tests.outside_requests import make_all
from tests.returned import answer, bounce, complaint, leave, leaving, message_id, state_of, suppressed, vacation, verp
from tests.transports import digest
from worker.feedback import inbox

pytestmark = [
    pytest.mark.outside,
    pytest.mark.once,
    pytest.mark.skipif(DOVECOT is None, reason=MISSING),
]

ALICE, BOB, CHARLIE = (f"reader-{number}@reader.example" for number in (1, 2, 3))


@pytest.fixture
def dovecot(tmp_path) -> Iterator[Dovecot]:
    with tempfile.TemporaryDirectory(prefix="verdicts-dovecot-") as folder:
        server = Dovecot(Path(folder), localhost.certificate(tmp_path))
        try:
            yield server
        finally:
            server.end()


@pytest.fixture(autouse=True)
def sent(database, clock, monkeypatch, dovecot) -> None:
    monkeypatch.setattr(inbox, "_memory", inbox._Memory())
    monkeypatch.setenv("SSL_CERT_FILE", str(dovecot.certificate))
    digest(clock, 3)
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sent'"))


def hear(clock) -> None:
    for _ in range(2):
        inbox.keep_reading()
        make_all()
        returned.work()
        clock.forward(minutes=2)


def test_an_inbox_on_a_real_server(dovecot, clock, setting):
    setting(INBOX_URL=dovecot.url)
    dovecot.put(
        answer(message_id(BOB), BOB), bounce(verp(ALICE), ALICE), vacation(verp(BOB), BOB), bounce("f" * 40, BOB),
        complaint(message_id(BOB)), leave(leaving(CHARLIE), CHARLIE), bounce(verp(ALICE), ALICE) + b"x" * 3_000_000,
    )  # fmt: skip
    hear(clock)
    assert suppressed() == {ALICE: "hard bounce", BOB: "complaint"}
    assert state_of(CHARLIE) == "unsubscribed"
    assert dovecot.left() == [("Re: Which one writes?", ()), ("Undelivered Mail Returned to Sender", ())]


def test_another_mailbox_and_one_that_was_made_anew(dovecot, clock, setting):
    setting(INBOX_URL=dovecot.url + "/Bounces%2FM%C3%A4rz")
    dovecot.put(answer(message_id(BOB), BOB), answer(message_id(BOB), BOB), mailbox="Bounces/März")
    hear(clock)
    with dovecot.client() as client:
        client.delete_folder("Bounces/März")
    time.sleep(1.1)  # UIDVALIDITY counts seconds
    dovecot.put(bounce(verp(ALICE), ALICE), mailbox="Bounces/März")
    hear(clock)
    assert suppressed() == {ALICE: "hard bounce"}
    assert dovecot.left("Bounces/März") == []
