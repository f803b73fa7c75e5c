"""Doors: which one MAIL_URL names, and letters through real ones, encrypted and logged in."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from emails.transports import BadMailUrl, Outgoing, TimeOuts, open_transport, transport_name
from emails.transports.maildir import MaildirTransport
from emails.transports.smtp import SmtpTransport
from emails.transports.smtp_connection import Server
from tests.emails.scripted_smtp import ScriptedServer

LETTER = b"Subject: Larkspur\r\n\r\nShip it.\r\n"
SENDER = "digest+b-1@verdicts.example"
TIME_OUTS = TimeOuts(5, 5, 5)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of our own for localhost, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(pem)
    )
    return path


@pytest.fixture
def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


class Kept(Sink):
    """Keeps every letter that aiosmtpd took."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.letters.append((envelope.mail_from or "", envelope.rcpt_tos, envelope.content))
        return "250 2.0.0 Ok"


def _let_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    good = LoginPassword(b"verdicts", b"p@ss/word")
    return AuthResult(success=data == good, handled=False)


@pytest.fixture
def relay(server_side: ssl.SSLContext) -> Iterator[Controller]:
    """A mail server that asks for STARTTLS and a login."""
    controller = Controller(
        Kept(), hostname="127.0.0.1", port=_free_port(), tls_context=server_side, require_starttls=True,
        authenticator=_let_in, auth_required=True,
    )  # fmt: skip
    controller.start()
    yield controller
    controller.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_letters_through_starttls_and_a_login(relay: Controller, trusting: ssl.SSLContext) -> None:
    url = f"smtp+starttls://verdicts:p%40ss%2Fword@localhost:{relay.port}"
    door = open_transport(url, TIME_OUTS, trusting)
    assert door.connect() is None
    for person in ("alice", "bob"):
        assert door.send(Outgoing(SENDER, f"{person}@example.com", LETTER, person)).kind == "sent"
    door.close()
    assert relay.handler.letters == [
        (SENDER, ["alice@example.com"], LETTER),
        (SENDER, ["bob@example.com"], LETTER),
    ]


def test_a_wrong_password_is_the_relays_refusal(relay: Controller, trusting: ssl.SSLContext) -> None:
    refusal = open_transport(f"smtp+starttls://verdicts:no@localhost:{relay.port}", TIME_OUTS, trusting).connect()
    assert refusal is not None
    assert (refusal.kind, refusal.code, refusal.stage) == ("relay", 535, "login")


def test_a_certificate_that_nobody_vouches_for_is_refused(relay: Controller) -> None:
    refusal = open_transport(f"smtp+starttls://localhost:{relay.port}", TIME_OUTS).connect()
    assert refusal is not None
    assert (refusal.kind, refusal.stage) == ("relay", "tls")
    assert "certificate does not hold" in refusal.reply


def test_letters_through_a_connection_encrypted_from_the_start(
    server_side: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    with ScriptedServer(context=server_side, encrypted=True) as server:
        door = open_transport(f"smtps://verdicts:secret@localhost:{server.port}", TIME_OUTS, trusting)
        assert door.send(Outgoing(SENDER, "alice@example.com", LETTER, "1")).kind == "sent"
    assert server.letters == [LETTER]


def test_a_server_without_starttls_is_not_trusted_with_a_letter() -> None:
    with ScriptedServer() as server:
        refusal = open_transport(f"smtp+starttls://127.0.0.1:{server.port}", TIME_OUTS).connect()
    assert refusal is not None
    assert (refusal.kind, refusal.stage) == ("relay", "tls")


def test_words_slipped_in_before_encryption_are_not_believed(
    server_side: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    script = {"EHLO": "250-mail.example\n250 STARTTLS", "STARTTLS": "220 Go on\n250 mail.example"}
    with ScriptedServer(script, context=server_side) as server:
        refusal = open_transport(f"smtp+starttls://localhost:{server.port}", TIME_OUTS, trusting).connect()
    assert refusal is not None
    assert (refusal.kind, refusal.stage) == ("relay", "tls")


def test_a_server_that_will_not_encrypt_is_not_used(trusting: ssl.SSLContext) -> None:
    script = {"EHLO": "250-mail.example\n250 STARTTLS", "STARTTLS": "454 4.7.0 Not now"}
    with ScriptedServer(script) as server:
        refusal = open_transport(f"smtp+starttls://localhost:{server.port}", TIME_OUTS, trusting).connect()
    assert refusal is not None
    assert (refusal.kind, refusal.code, refusal.stage) == ("relay", 454, "tls")


CLEAR = "250-mail.example\n250-PIPELINING\n250-SIZE 10\n250 STARTTLS"


def test_what_a_server_offered_before_encryption_counts_no_more(
    server_side: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    with ScriptedServer({"EHLO": [CLEAR, "250 mail.example"]}, context=server_side) as server:
        door = open_transport(f"smtp+starttls://localhost:{server.port}", TIME_OUTS, trusting)
        letters = [Outgoing(SENDER, f"{person}@example.com", LETTER, person) for person in ("alice", "bob")]
        assert door.send(letters[0], lambda: letters[1]).kind == "sent"
        assert door.send(letters[1]).kind == "sent"
    assert [line for line in server.heard if line.startswith("MAIL")] == [f"MAIL FROM:<{SENDER}>"] * 2


@pytest.mark.parametrize("reply", ["421 4.3.2 Busy", "454 4.7.0 Not now"])
def test_a_refusal_of_the_hello_after_encryption_ends_the_session_in_the_server_s_words(
    server_side: ssl.SSLContext, trusting: ssl.SSLContext, reply: str
) -> None:
    with ScriptedServer({"EHLO": [CLEAR, reply]}, context=server_side) as server:
        refusal = open_transport(f"smtp+starttls://u:p@localhost:{server.port}", TIME_OUTS, trusting).connect()
    assert refusal is not None
    assert (refusal.kind, refusal.reply, refusal.stage) == ("relay", reply, "hello")
    assert not [line for line in server.heard if line.startswith("MAIL")]


def test_a_password_that_cannot_be_sent_is_said() -> None:
    with ScriptedServer() as server:
        refusal = open_transport(f"smtp://verdicts:%C3%A9@127.0.0.1:{server.port}", TIME_OUTS).connect()
    assert refusal is not None
    assert (refusal.kind, refusal.stage) == ("relay", "login")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", Server("mail.example", 25)),
        ("smtp://mail.example:2525", Server("mail.example", 2525)),
        ("smtp+starttls://u:p%40@mail.example", Server("mail.example", 587, "starttls", ("u", "p@"))),
        ("smtps://u@[::1]", Server("::1", 465, "tls", ("u", ""))),
    ],
)
def test_a_mail_url_names_a_server(url: str, server: Server) -> None:
    door = open_transport(url)
    assert isinstance(door, SmtpTransport)
    assert door.server == server
    assert not door.certain


@pytest.mark.parametrize(
    "url", ["smtp://u:se/cret@mail.example:25", "smtp://", "smtp://u:secret@", "pigeon:loft", "smtp://h:99999"]
)
def test_a_mail_url_that_names_nothing_says_so_without_the_password(url: str) -> None:
    with pytest.raises(BadMailUrl, match="MAIL_URL") as error:
        open_transport(url)
    assert "cret" not in str(error.value)


def test_a_door_is_named_without_its_password() -> None:
    assert transport_name("smtp+starttls://u:secret@mail.example") == "smtp+starttls://mail.example:587"
    assert transport_name("maildir:var/outbox") == "maildir:var/outbox"


def test_a_maildir_url_names_a_folder(tmp_path: Path) -> None:
    for url in (f"maildir:{tmp_path}/outbox", f"maildir://{tmp_path}/outbox"):
        door = open_transport(url)
        assert isinstance(door, MaildirTransport)
        assert door.certain
        assert door.send(Outgoing(SENDER, "alice@example.com", LETTER, url[8:10].strip("/") or "x")).kind == "sent"
    assert len(list((tmp_path / "outbox" / "new").iterdir())) == 2


def test_under_tls_too_a_letter_whose_dot_has_left_is_judged_by_its_answer(
    server_side: ssl.SSLContext, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SSLSocket's send is all or nothing in what it tells, while whole records of 16 KB have left: here all do but
    the last, which holds the next letter's commands."""
    record, real, torn = 16384, ssl.SSLSocket.send, list[int]()

    def send(self: ssl.SSLSocket, raw: bytes | memoryview, flags: int = 0) -> int:
        told = bytes(raw)
        last = told.rfind(b"MAIL FROM:<" + SENDER.encode() + b"> SIZE=5\r\n")
        if last < 0 or torn:
            return real(self, raw, flags)
        torn.append(last)
        for at in range(0, last, record):
            real(self, told[at : at + record])
        raise TimeoutError("The write operation timed out")

    monkeypatch.setattr(ssl.SSLSocket, "send", send)
    alice = Outgoing(SENDER, "alice@example.com", b"x" * (3 * record - 5) + b"\r\n", "1")
    bob = Outgoing(SENDER, "bob@example.com", b"bob\r\n", "2")
    with ScriptedServer(context=server_side, encrypted=True) as server:
        door = open_transport(f"smtps://localhost:{server.port}", TIME_OUTS, trusting)
        assert door.send(alice, lambda: bob).kind == "sent"
        assert door.send(bob).kind == "sent"
    assert torn
    assert server.taken == [alice.message, bob.message]
    assert server.connections == 2
