"""Debian's Dovecot: a mailbox over IMAP with TLS, and the judge of logins for Postfix."""

import os
import pwd
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from imapclient import IMAPClient

from tests.bench.load import free_port
from worker.redis import end_with_parent

DOVECOT = shutil.which("dovecot", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
MISSING = "not installed: dovecot (Debian's package dovecot-imapd)"

USER, PASSWORD = "digest@verdicts.example", "a_pass/word"
_PASSWORD = f"""
passdb {{
  driver = static
  args = password={PASSWORD}
}}
"""
CONF = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{certificate}
{logins}
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

    def __init__(self, folder: Path, certificate: Path, logins: str = _PASSWORD) -> None:
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
            logins=logins,
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

    def fill(self, mails: list[bytes]) -> None:
        """Put the mails into the inbox as files, as a mail server does, which takes no time."""
        nobody = pwd.getpwnam("nobody")
        for name in ("", "tmp", "new", "cur"):
            (self.folder / "mail" / name).mkdir(exist_ok=True)
            os.chown(self.folder / "mail" / name, nobody.pw_uid, nobody.pw_gid)
        for number, mail in enumerate(mails):
            file = self.folder / "mail" / "new" / f"1795930000.M{number:06}.mx"
            file.write_bytes(mail)
            os.chown(file, nobody.pw_uid, nobody.pw_gid)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20)
