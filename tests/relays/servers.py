"""Three relays from Debian, each with STARTTLS, a login, limits of its own, and mailboxes in which letters lie."""

import shutil
import socket
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from tests import postfix
from tests.relays.unpacked import HERE, Unpacked

USER, PASSWORD = "verdicts", "p@ss/word"
DOMAIN, GREY = "reader.example", "grey.example"
SENDER = "digest@verdicts.example"
FULL = f"full@{DOMAIN}"
"""A mailbox that exists and takes nothing more."""


class Relay(ABC):
    """A mail server, from `start` to `end`. `mailboxes` are the addresses that exist."""

    packages: Sequence[str]
    suite = ""
    name: str
    login = USER

    def __init__(self, mailboxes: Sequence[str], certificate: Path) -> None:
        self.world = Unpacked(self.packages, self.suite)
        self.folder = self.world.folder
        self.port, self.second_port = _free_port(), _free_port()
        self.mailboxes = [*mailboxes, FULL]
        shutil.copy(certificate, self.folder / "tls.pem")
        (self.folder / "tls.pem").chmod(0o600)

    @property
    def url(self) -> str:
        return f"smtp+starttls://{self.login.replace('@', '%40')}:p%40ss%2Fword@localhost:{self.port}"

    @abstractmethod
    def configure(self) -> str:
        """Write the files, and return the script that starts the server."""

    def start(self) -> None:
        self.world.start(self.configure())
        _wait_until_open(self.port, self.world)

    def put(self, name: str, text: str, mode: int = 0o644) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(mode)

    def delivered(self, expected: int, patience: float = 30) -> Counter[str]:
        """How many letters lie in each mailbox, once there are so many."""
        end = time.monotonic() + patience
        while (found := Counter(path.parts[-3] for path in self._files())).total() < expected:
            if time.monotonic() > end:
                break
            time.sleep(0.05)
        return found

    def letters(self) -> list[Message]:
        return [message_from_bytes(each) for each in self.raw()]

    def raw(self) -> list[bytes]:
        """The letters' bytes as they would travel on."""
        return [path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for path in self._files()]

    def _files(self) -> list[Path]:
        return [path for path in (self.folder / "mail").glob("*/new/*") if path.is_file()]

    def log(self) -> str:
        return self.world.said()

    def end(self) -> None:
        self.world.end()


class Postfix(Relay):
    """Only its own sender address for each login, two connections at once, and postgrey before one domain."""

    name = "postfix"
    login = f"{USER}@mail.postfix.example"
    packages = ("postfix", "libsasl2-2", "libsasl2-modules", "libsasl2-modules-db", "sasl2-bin", "postgrey",
                "libnet-server-perl", "libberkeleydb-perl", "libio-multiplex-perl")  # fmt: skip

    def configure(self) -> str:
        given = {"folder": HERE, "host": "mail.postfix.example", "user": 30006, "group": 30006}
        self.put("postfix/main.cf", postfix.main_cf(_POSTFIX_MAIN, grey_port=self.second_port, **given))
        self.put("postfix/master.cf", postfix.master_cf(self.port))
        self.put("mailboxes", "".join(f"{address} {address}/\n" for address in self.mailboxes))
        self.put("refused", f"{FULL} 452 4.2.2 Mailbox full, try again later\n{GREY} greylisted\n")
        self.put("senders", f"{SENDER} {self.login}\n")
        return f"""
            mkdir -p {HERE}/queue {HERE}/data {HERE}/mail {HERE}/grey
            chown postfix {HERE}/data; chown vmail {HERE}/mail; chown postgrey {HERE}/grey
            printf '%s' '{PASSWORD}' | saslpasswd2 -p -c -u mail.postfix.example {USER}
            chown postfix /etc/sasldb2
            postgrey --inet=127.0.0.1:{self.second_port} --dbdir={HERE}/grey --delay=2 --auto-whitelist-clients=0 \\
              --whitelist-clients=/dev/null --whitelist-recipients=/dev/null --user=postgrey --group=postgrey \\
              > {HERE}/postgrey.log 2>&1 &
            postfix -c {HERE}/postfix start-fg
        """


class Exim(Relay):
    """Two connections at once from one host, five letters in each, and a quota of letters in a few seconds."""

    name = "exim4"
    rewrites = ""
    packages = ("exim4-base", "exim4-daemon-light", "libidn12")

    def configure(self) -> str:
        names = [address.partition("@")[0] for address in self.mailboxes]
        self.put("names", "".join(f"{name}: {name}\n" for name in names))
        given = {"port": self.port, "here": HERE, "user": USER, "password": PASSWORD, "full": FULL}
        self.put("exim.conf", _EXIM.format(**given, rewrites=self.rewrites.strip("\n")))
        return f"""
            mkdir -p {HERE}/spool {HERE}/mail
            chown -R Debian-exim {HERE}/spool {HERE}/tls.pem {HERE}/mail
            touch {HERE}/mainlog {HERE}/rejectlog {HERE}/paniclog; chown Debian-exim {HERE}/*log
            exim4 -C {HERE}/exim.conf -bdf -q1s
        """


class RewritingExim(Exim):
    """Writes its own Message-ID and Date, as Amazon SES does."""

    rewrites = """
  headers_remove = Message-ID:Date
  headers_add = Message-ID: <0100-$message_exim_id@eu-west-1.relay.example>\\nDate: Sun, 01 Nov 2026 09:00:00 +0000
"""


class OpenSmtpd(Relay):
    """Five letters in each session, and any address of its own domain as a sender."""

    name = "opensmtpd"
    packages = ("opensmtpd", "libc6", "libcrypt1", "libssl3t64", "libzstd1", "zlib1g", "libevent-2.1-7t64",
                "libdb5.3t64", "libpam0g", "libaudit1", "libcap-ng0")  # fmt: skip
    suite = "trixie"

    def configure(self) -> str:
        self.put("names", "".join(f"{address} vmail\n" for address in self.mailboxes))
        self.put("senders", f"{USER} @{SENDER.partition('@')[2]}\n")
        self.put("smtpd.conf", _OPENSMTPD.format(port=self.port, here=HERE, domain=DOMAIN, full=FULL))
        return f"""
            mkdir -p {HERE}/mail /var/spool/smtpd /var/lib/opensmtpd/empty
            chown vmail {HERE}/mail; chmod 711 /var/spool/smtpd
            chgrp opensmtpq /usr/sbin/smtpctl; chmod 2555 /usr/sbin/smtpctl
            echo "{USER} $(smtpctl encrypt '{PASSWORD}')" > {HERE}/users
            smtpd -d -v -f {HERE}/smtpd.conf
        """


class OldOpenSmtpd(OpenSmtpd):
    """Debian 12's OpenSMTPD 6.8 offers STARTTLS and gives up each handshake (alert 80, internal error): OpenSSL 3 signs
    with a copy of the key and never asks the process that holds the private half (OpenSMTPD's issue 1171)."""

    packages = ("opensmtpd",)
    suite = "bookworm"


_POSTFIX_MAIN = """
mynetworks =
smtpd_client_connection_count_limit = 2
smtpd_tls_cert_file = {folder}/tls.pem
smtpd_tls_key_file = {folder}/tls.pem
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = mail.postfix.example
smtpd_sender_login_maps = texthash:{folder}/senders
smtpd_helo_required = yes
smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
virtual_mailbox_domains = reader.example, grey.example
virtual_minimum_uid = 100
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_restriction_classes = greylisted
greylisted = check_policy_service inet:127.0.0.1:{grey_port}
smtpd_recipient_restrictions =
    reject_sender_login_mismatch,
    reject_unlisted_recipient,
    check_recipient_access texthash:{folder}/refused,
    permit_sasl_authenticated, reject
"""

_EXIM = """
primary_hostname = mail.exim.example
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
spool_directory = {here}/spool
log_file_path = {here}/%slog
tls_advertise_hosts = *
tls_certificate = {here}/tls.pem
tls_privatekey = {here}/tls.pem
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
smtp_accept_max = 20
smtp_accept_max_per_host = 2
smtp_accept_max_per_connection = 5
smtp_enforce_sync = true
helo_verify_hosts =
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = recipient
keep_environment =

begin acl
recipient:
  deny message = 5.7.1 Log in first
       !authenticated = *
  deny message = 5.1.1 No such mailbox here
       !verify = recipient
  defer message = 4.2.2 Mailbox full, try again later
       recipients = {full}
  defer message = 4.7.1 Your quota is used up: twelve letters in four seconds
       ratelimit = 12 / 4s / per_rcpt / leaky / $authenticated_id
  accept

begin routers
mailboxes:
  driver = accept
  domains = reader.example
  local_parts = lsearch;{here}/names
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = {here}/mail/$local_part_data@$domain_data
  maildir_format
  return_path_add
{rewrites}
  user = Debian-exim
  group = Debian-exim

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""

_OPENSMTPD = """
pki localhost cert "{here}/tls.pem"
pki localhost key "{here}/tls.pem"
table names file:{here}/names
table users file:{here}/users
table allowed file:{here}/senders
table full {{ "{full}" }}
filter "full" phase rcpt-to match rcpt-to <full> reject "452 4.2.2 Mailbox full, try again later"
smtp limit max-mails 5
listen on 127.0.0.1 port {port} hostname mail.opensmtpd.example tls-require pki localhost auth <users> \
  senders <allowed> filter "full"
action "keep" maildir "{here}/mail/%{{rcpt.user}}@%{{rcpt.domain}}" virtual <names>
match auth from any for domain "{domain}" action "keep"
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_open(port: int, world: Unpacked, patience: float = 60) -> None:
    end = time.monotonic() + patience
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            assert world.is_up(), world.said()[-3000:]
            assert time.monotonic() < end, world.said()[-3000:]
            time.sleep(0.05)
