"""A provider of access tokens: a command that prints one, the endpoint that knows which still hold (RFC 7662), and a
mail server, Debian's Postfix with Dovecot as the judge of logins, that takes letters from those who show one."""

import json
import pwd
import shutil
import socketserver
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_connection
from urllib.parse import parse_qs

from tests import postfix
from tests.bench.load import free_port
from tests.drills.dovecot import USER
from tests.drills.mail_house import _program
from worker.redis import end_with_parent

LOGINS = """
auth_mechanisms = plain xoauth2 oauthbearer
auth_failure_delay = 0
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2
}}
passdb {{
  driver = static
  mechanisms = plain
  args = password={password}
}}
service auth {{
  inet_listener {{
    port = {port}
  }}
}}
"""
_MAIN = """
mynetworks =
virtual_mailbox_domains = reader.example
smtpd_tls_cert_file = {folder}/tls.pem
smtpd_tls_key_file = {folder}/tls.pem
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{sasl_port}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{policy_port}, permit_sasl_authenticated, reject
"""


class Provider:
    """Prints token-1, token-2 and so on; they hold until they are among `expired`."""

    def __init__(self, folder: Path) -> None:
        self._printed = folder / "printed"
        self._printed.touch()
        self.command = f"echo >> '{self._printed}' && echo token-$(wc -l < '{self._printed}')"
        self.expired: set[str] = set()
        self.shown: list[str] = []
        """The tokens that the mail server asked about, in order."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/introspect"

    def printed(self) -> int:
        return len(self._printed.read_text().splitlines())

    def expire_all(self) -> None:
        """No token that was printed so far holds any more."""
        self.expired = {f"token-{number}" for number in range(1, self.printed() + 1)}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Introspection(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                token = form["token"][0]
                provider.shown.append(token)
                is_active = token.startswith("token-") and token not in provider.expired
                body = json.dumps({"active": is_active, "email": USER} if is_active else {"active": False}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Introspection

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def logins(folder: Path, provider: Provider, port: int, password: str) -> str:
    """What Dovecot has to be told, which judges logins for Postfix at that port."""
    (folder / "oauth2").write_text(
        f"introspection_url = {provider.url}\nintrospection_mode = post\nusername_attribute = email\n"
        "active_attribute = active\nactive_value = true\n"
    )
    return LOGINS.format(folder=folder, port=port, password=password)


class Submission:
    """Postfix behind STARTTLS, which asks `judge` at each recipient; mailboxes are those of `readers`."""

    def __init__(self, folder: Path, certificate: Path, readers: list[str], sasl_port: int) -> None:
        self.folder, self.port = folder, free_port()
        self.answers: list[str] = []
        """What the next recipients hear; those after them hear DUNNO."""
        self.at_the_last: Callable[[], None] = lambda: None
        """Called before the last of these answers."""
        self._policy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._policy_handler())
        self._policy.daemon_threads = True
        threading.Thread(target=self._policy.serve_forever, daemon=True).start()
        nobody = pwd.getpwnam("nobody")
        for name, owner in {"queue": "root", "data": "postfix", "mail": "nobody"}.items():
            (folder / name).mkdir()
            shutil.chown(folder / name, owner)
        folder.chmod(0o755)
        shutil.copy(certificate, folder / "tls.pem")
        given = {
            "folder": folder, "host": "mail.relay.example", "user": nobody.pw_uid, "group": nobody.pw_gid,
            "sasl_port": sasl_port, "policy_port": self._policy.server_address[1],
        }  # fmt: skip
        (folder / "main.cf").write_text(postfix.main_cf(_MAIN, **given))
        (folder / "master.cf").write_text(postfix.master_cf(self.port))
        (folder / "mailboxes").write_text("".join(f"{each} {each}/\n" for each in readers))
        self._process = subprocess.Popen(
            [_program("postfix"), "-c", str(folder), "start-fg"], preexec_fn=end_with_parent,
            stdout=subprocess.DEVNULL, stderr=(folder / "postfix.err").open("wb"),
        )  # fmt: skip
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with suppress(OSError), create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError(self.log())

    @property
    def url(self) -> str:
        return f"smtp+starttls://{USER.replace('@', '%40')}@localhost:{self.port}"

    def _policy_handler(self) -> type[socketserver.BaseRequestHandler]:
        server = self

        class Policy(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while line := self.rfile.readline():
                    if line == b"\n":
                        if len(server.answers) == 1:
                            server.at_the_last()
                        action = server.answers.pop(0) if server.answers else "DUNNO"
                        self.wfile.write(f"action={action}\n\n".encode())

        return Policy

    def delivered(self, expected: int, patience: float = 30) -> Counter[str]:
        """How many letters lie in each mailbox, once there are so many."""
        end = time.monotonic() + patience
        while (found := Counter(path.parts[-3] for path in (self.folder / "mail").glob("*/new/*"))).total() < expected:
            if time.monotonic() > end:
                break
            time.sleep(0.05)
        return found

    def log(self) -> str:
        return "".join(
            each.read_text() for each in (self.folder / "mail.log", self.folder / "postfix.err") if each.exists()
        )

    def end(self) -> None:
        subprocess.run([_program("postfix"), "-c", str(self.folder), "stop"], capture_output=True, timeout=30)
        self._process.terminate()
        self._process.wait(20)
        self._policy.shutdown()
        self._policy.server_close()
