"""The inbox on a real IMAP server (Dovecot): bounces and complaints are handled and deleted, answers stay unread."""

import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from imapclient import IMAPClient
from sqlalchemy import text

from db.session import writing
from tests import localhost, returned
from tests.bench.load import free_port
from tests.outside_requests import make_all
from tests.returned import answer, bounce, complaint, leave, leaving, message_id, state_of, suppressed, vacation, verp
from tests.transports import digest
from worker import inbox
from worker.redis import end_with_parent

DOVECOT = shutil.which("dovecot", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
pytestmark = [
    pytest.mark.outside,
    pytest.mark.once,
    pytest.mark.skipif(DOVECOT is None, reason="not installed: dovecot (Debian's package dovecot-imapd)"),
]

ALICE, BOB, CHARLIE = (f"reader-{number}@reader.example" for number in (1, 2, 3))
USER, PASSWORD = "digest@verdicts.example", "a_pass/word"
CONF = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{certificate}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
first_valid_uid = 1
mail_location = maildir:{folder}/mail
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
"""


class Dovecot:
    """The server, and its mailboxes as somebody sees them who reads in them."""

    def __init__(self, folder: Path, certificate: Path) -> None:
        self.folder, self.certificate, self.port = folder, certificate, free_port()
        nobody = pwd.getpwnam("nobody")
        for name in ("run", "state", "home", "mail"):
            (folder / name).mkdir()
            os.chown(folder / name, nobody.pw_uid, nobody.pw_gid)
        os.chown(folder / "run", 0, 0)
        folder.chmod(0o755)
        shutil.copy(certificate, folder / "server.pem")
        written = CONF.format(
            folder=folder, certificate=folder / "server.pem", uid=nobody.pw_uid, gid=nobody.pw_gid, port=self.port,
            password=PASSWORD,
        )  # fmt: skip
        (folder / "dovecot.conf").write_text(written)
        assert DOVECOT
        self.process = subprocess.Popen([DOVECOT, "-F", "-c", str(folder / "dovecot.conf")], preexec_fn=end_with_parent)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError((folder / "log").read_text())

    @property
    def url(self) -> str:
        return f"imaps://digest%40verdicts.example:a_pass%2Fword@localhost:{self.port}"

    def client(self) -> IMAPClient:
        client = IMAPClient("localhost", self.port, ssl_context=ssl.create_default_context(cafile=self.certificate))
        client.login(USER, PASSWORD)
        return client

    def put(self, *mails: bytes, mailbox: str = "INBOX") -> None:
        with self.client() as client:
            if not client.folder_exists(mailbox):
                client.create_folder(mailbox)
            for mail in mails:
                client.append(mailbox, mail.replace(b"\n", b"\r\n"))

    def left(self, mailbox: str = "INBOX") -> list[tuple[str, tuple[bytes, ...]]]:
        """The subjects of the mails that are there, with their flags."""
        with self.client() as client:
            client.select_folder(mailbox, readonly=True)
            found = client.fetch(client.search("ALL"), ["FLAGS", "ENVELOPE"])
            return [
                (each[b"ENVELOPE"].subject.decode(), tuple(flag for flag in each[b"FLAGS"] if flag != rb"\Recent"))
                for each in found.values()
            ]

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20)


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
