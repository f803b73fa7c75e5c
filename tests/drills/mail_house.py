"""A provider's mail server from Debian's packages: Postfix, postfwd for a daily limit, postgrey for greylisting.

Postfix runs in the foreground with a folder of its own. The two policy servers read the time from a file (libfaketime),
so that a test can let days go by.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

from tests import postfix
from worker.redis import end_with_parent

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
PROGRAMS = ("postfix", "postfwd1", "postgrey", "faketime")
MISSING = [name for name in PROGRAMS if not shutil.which(name, path=_PATH)]

_MAIN = """
mynetworks =
virtual_mailbox_domains = reader.example, grey.example
smtpd_relay_restrictions = permit_auth_destination, reject
smtpd_restriction_classes = greylisted
greylisted = check_policy_service inet:127.0.0.1:{grey_port}
smtpd_recipient_restrictions =
    reject_unlisted_recipient,
    check_recipient_access texthash:{folder}/quotas,
    check_recipient_access texthash:{folder}/greylisted,
    check_policy_service inet:127.0.0.1:{limit_port}
"""


class MailHouse:
    """The servers, from `start` to `end`. `mailboxes` are the addresses that exist; a full one has its reply."""

    def __init__(self, mailboxes: list[str], full: Mapping[str, str], limit: str) -> None:
        """`limit` is postfwd's action for every recipient that the other checks let through."""
        self.folder = Path(tempfile.mkdtemp(prefix="verdicts-mail-house-"))
        self.port, self._grey_port, self._limit_port = (_free_port() for _ in range(3))
        self._clock = self.folder / "clock"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._write(mailboxes, full, limit)

    def _write(self, mailboxes: list[str], full: Mapping[str, str], limit: str) -> None:
        self.folder.chmod(0o755)
        nobody = pwd.getpwnam("nobody")
        for name, owner in {"queue": "root", "data": "postfix", "mail": "nobody", "grey": "postgrey"}.items():
            (self.folder / name).mkdir()
            shutil.chown(self.folder / name, owner)
        given = {
            "folder": self.folder, "host": "mail.relay.example", "user": nobody.pw_uid, "group": nobody.pw_gid,
            "grey_port": self._grey_port, "limit_port": self._limit_port,
        }  # fmt: skip
        self._put("main.cf", postfix.main_cf(_MAIN, **given))
        self._put("master.cf", postfix.master_cf(self.port))
        self._put("mailboxes", "".join(f"{address} {address}/\n" for address in mailboxes))
        self._put("quotas", "".join(f"{address} {reply}\n" for address, reply in full.items()))
        self._put("greylisted", "grey.example greylisted\n")
        self._put("limits", f"id=DAY; protocol_state==RCPT; action={limit}\n")

    def _put(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def start(self, now: datetime) -> None:
        """Start the three, which listen when this returns; the policy servers believe that it is `now`."""
        self.set_clock(now)
        self._run_in_its_time(
            "postfwd1", "--file", str(self.folder / "limits"), "--interface", "127.0.0.1", "--port",
            str(self._limit_port), "--user", "nobody", "--group", "nogroup", "--nodns", "--cache", "0", "--daemon",
            "--pidfile", str(self.folder / "grey" / "postfwd.pid"),
        )  # fmt: skip
        self._run_in_its_time(
            "postgrey", f"--inet=127.0.0.1:{self._grey_port}", f"--dbdir={self.folder / 'grey'}",
            "--auto-whitelist-clients=0", "--whitelist-clients=/dev/null", "--whitelist-recipients=/dev/null",
        )  # fmt: skip
        self._processes.append(subprocess.Popen(
            [_program("postfix"), "-c", str(self.folder), "start-fg"], preexec_fn=end_with_parent,
            stdout=subprocess.DEVNULL, stderr=(self.folder / "postfix.err").open("wb"),
        ))  # fmt: skip
        for port in (self._limit_port, self._grey_port, self.port):
            _wait_until_open(port)

    def _run_in_its_time(self, name: str, *words: str) -> None:
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        environment = os.environ | {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(self._clock), "FAKETIME_NO_CACHE": "1",
            "TZ": "UTC",
        }  # fmt: skip
        said = (self.folder / f"{name}.err").open("wb")
        self._processes.append(
            subprocess.Popen(
                [_program(name), *words], env=environment, preexec_fn=end_with_parent, stdout=said, stderr=said
            )
        )

    def set_clock(self, now: datetime) -> None:
        """Let the policy servers believe that it is `now`."""
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S}\n")
        fresh.replace(self._clock)  # in one step, so that no server reads half a date

    def delivered(self, expected: int, patience: float = 30) -> Counter[str]:
        """How many letters lie in each mailbox, once Postfix's queue has delivered `expected` of them in all."""
        end = time.monotonic() + patience
        while True:
            found = Counter(path.parts[-3] for path in (self.folder / "mail").glob("*/new/*"))
            if found.total() >= expected or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def subjects(self, address: str) -> list[str]:
        """The subjects of the letters in one mailbox."""
        files = sorted((self.folder / "mail" / address / "new").glob("*"))
        return [message_from_bytes(path.read_bytes())["Subject"] for path in files]

    def end(self) -> None:
        """Stop all of them, by their process ids."""
        subprocess.run([_program("postfix"), "-c", str(self.folder), "stop"], capture_output=True, timeout=30)
        pid_file = self.folder / "grey" / "postfwd.pid"
        if pid_file.exists():
            os.kill(int(pid_file.read_text()), 15)
        for process in reversed(self._processes):
            process.terminate()
            process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    assert found, f"{name} is not installed"
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_open(port: int, patience: float = 20) -> None:
    end = time.monotonic() + patience
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
