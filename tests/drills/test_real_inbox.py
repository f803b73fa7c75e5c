"""The inbox on a real IMAP server (Dovecot): bounces and complaints are handled and deleted, answers stay unread."""

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from db.session import reading, writing
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


@contextmanager
def cutting(port: int, most: int) -> Iterator[int]:
    """A port from which all goes to the server's, and each connection ends once so many bytes came back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(given: socket.socket, taken: socket.socket, left: int) -> None:
        with suppress(OSError):
            while left > 0 and (part := given.recv(min(left, 65_536))):
                taken.sendall(part)
                left -= len(part)
        for end in (given, taken):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client = listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", port))
                for pair in ((client, server, 10**9), (server, client, most)):
                    threading.Thread(target=carry, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


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


def failures() -> list[str]:
    with reading() as session:
        return [*session.scalars(text("SELECT message FROM attempts WHERE outcome = 'failed' ORDER BY id"))]


def test_what_keeps_a_real_inbox_from_being_read_is_told_in_words(dovecot, clock, setting, monkeypatch):
    for url in (
        dovecot.url + "/Nowhere",
        dovecot.url.replace("a_pass", "another"),
        dovecot.url.replace("a_pass", "%C3%A4_pass"),
        dovecot.url.replace("localhost", "127.0.0.1"),
    ):
        setting(INBOX_URL=url)
        clock.forward(minutes=20)  # a retry comes later and later
        hear(clock)
    refused = "The inbox at localhost refuses the login in INBOX_URL."
    wrong_name = "its certificate is refused (IP address mismatch, certificate is not valid for '127.0.0.1')"
    assert list(dict.fromkeys(failures())) == [
        "The inbox at localhost cannot be opened: it has no mailbox Nowhere, or does not let this user read it.",
        refused,
        f"The inbox at 127.0.0.1 cannot be reached: {wrong_name}.",
    ]
    setting(INBOX_URL=dovecot.url)
    dovecot.put(leave(leaving(CHARLIE), CHARLIE))
    for _ in range(4):
        clock.forward(minutes=20)
        hear(clock)
    assert state_of(CHARLIE) == "unsubscribed"


def test_five_thousand_mails_over_a_line_that_is_cut_again_and_again(dovecot, clock, setting):
    """Each connection ends after so many bytes, most of them amid a mail."""
    many = (
        [answer(message_id(BOB), BOB)] * 4_900 + [leave(leaving(CHARLIE), CHARLIE)] * 99 + [bounce(verp(ALICE), ALICE)]
    )
    dovecot.fill(many)
    said = set[str]()
    with cutting(dovecot.port, 400_000) as port:
        setting(INBOX_URL=dovecot.url.replace(str(dovecot.port), str(port)))
        for _ in range(60):
            clock.forward(minutes=20)
            hear(clock)
            said.update(failures())
            if len(left := dovecot.left()) == 4_900 and ALICE in suppressed():
                break
    assert set(left) == {("Re: Which one writes?", ())}
    assert (suppressed(), state_of(CHARLIE)) == ({ALICE: "hard bounce"}, "unsubscribed")
    assert said == {"The inbox at localhost broke off: the connection was closed."}
