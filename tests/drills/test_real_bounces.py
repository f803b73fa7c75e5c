"""Bounces that a real Postfix writes are read: it gives letters back for the reasons that its configuration plays."""

import os
import pwd
import shutil
import smtplib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from emails import links
from emails.bounces import Finding, read
from emails.messages.sender_identity import SenderIdentity
from tests.bench.load import free_port
from tests.postfix import main_cf, master_cf
from worker.redis import end_with_parent

POSTFIX = shutil.which("postfix", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
pytestmark = [
    pytest.mark.outside,
    pytest.mark.once,
    pytest.mark.skipif(POSTFIX is None, reason="not installed: postfix (Debian's package of that name)"),
]

KEYS = [b"the key of the house, long enough"]
IDENTITY = SenderIdentity("Verdicts", "news@verdicts.example", "https://verdicts.example")
MAIN = """
mynetworks = 127.0.0.0/8
smtpd_reject_unlisted_recipient = no
recipient_delimiter = +
maximal_queue_lifetime = 0
virtual_mailbox_domains = reader.example, verdicts.example
transport_maps = texthash:{folder}/transports
"""
TRANSPORTS = {
    "full.example": "error:5.2.2 mailbox full",
    "strict.example": "error:5.7.1 message rejected as spam",
    "gone.example": "error:5.1.2 Host or domain name not found",
    "busy.example": "retry:4.3.2 system not accepting network messages",
    "far.example": "smtp:[127.0.0.1]:{closed}",
}
MEANT = {
    "nobody@reader.example": ("hard", "address"),
    "alice@gone.example": ("hard", "address"),
    "bob@full.example": ("soft", "mailbox"),
    "carol@strict.example": ("content", "message"),
    "dave@busy.example": ("soft", "relay"),
    "erin@far.example": ("soft", "domain"),
}


@pytest.fixture
def postfix() -> Iterator[tuple[int, Path]]:
    """The port on which Postfix listens, and the folder of its mailboxes."""
    folder, port, closed = Path(tempfile.mkdtemp(prefix="verdicts-bounces-")), free_port(), free_port()
    folder.chmod(0o755)
    nobody = pwd.getpwnam("nobody")
    for name, owner in {"queue": "root", "data": "postfix", "mail": "nobody"}.items():
        (folder / name).mkdir()
        shutil.chown(folder / name, owner)
    given = {"folder": folder, "host": "mail.relay.example", "user": nobody.pw_uid, "group": nobody.pw_gid}
    (folder / "main.cf").write_text(main_cf(MAIN, **given))
    (folder / "master.cf").write_text(master_cf(port))
    (folder / "mailboxes").write_text("news@verdicts.example news/\n")
    (folder / "transports").write_text("".join(f"{at} {how.format(closed=closed)}\n" for at, how in TRANSPORTS.items()))
    assert POSTFIX
    with (folder / "postfix.err").open("wb") as said:
        process = subprocess.Popen([POSTFIX, "-c", folder, "start-fg"], preexec_fn=end_with_parent, stderr=said)
    yield port, folder / "mail"
    subprocess.run([POSTFIX, "-c", folder, "stop"], capture_output=True, timeout=30)
    process.wait(20)
    shutil.rmtree(folder, ignore_errors=True)


def test_each_letter_that_postfix_gives_back_is_understood(postfix: tuple[int, Path]) -> None:
    port, mail = postfix
    with _connection(port) as smtp:
        for delivery, to in enumerate(MEANT, 1):
            path = IDENTITY.verp(links.sign(KEYS, "bounce", 7, delivery))
            letter = f"From: news@verdicts.example\nTo: {to}\nMessage-ID: <{delivery}@verdicts.example>\n\nHello\n"
            smtp.sendmail(path, [to], letter)
    found = {each.recipient: each for raw in _arrived(mail / "news" / "new", len(MEANT)) for each in read(raw)}
    assert {to: (each.kind, each.whose) for to, each in found.items()} == MEANT
    for delivery, to in enumerate(MEANT, 1):
        assert _proved(found[to]) == (7, delivery)
        assert found[to].message_id == f"<{delivery}@verdicts.example>"


def _proved(found: Finding) -> tuple[int, int]:
    assert found.token
    return links.read(KEYS, "bounce", found.token)


def _connection(port: int, patience: float = 30) -> smtplib.SMTP:
    end = time.monotonic() + patience
    while True:
        try:
            return smtplib.SMTP("127.0.0.1", port, timeout=20)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _arrived(box: Path, count: int, patience: float = 60) -> list[bytes]:
    end = time.monotonic() + patience
    while len(files := list(box.glob("*"))) < count and time.monotonic() < end:
        time.sleep(0.1)
    return [path.read_bytes() for path in files]
