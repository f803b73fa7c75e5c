"""A digest through Debian's own mail servers: each account is to the letter what their mailboxes and logs say."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dkim
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from sqlalchemy import insert, select

from db.deliveries import accounts
from db.deliveries.deliveries import Delivery
from db.digests import digests
from db.session import reading, writing
from db.settings import settings
from db.subscribers.subscribers import Subscriber
from emails.messages.dkim import signer_of
from emails.transports import smtp_connection
from tests.conftest import Clock, load_catalogue
from tests.relays.servers import (
    DOMAIN,
    FULL,
    GREY,
    SENDER,
    Exim,
    OldOpenSmtpd,
    OpenSmtpd,
    Postfix,
    Relay,
    RewritingExim,
)
from tests.relays.unpacked import MISSING
from worker.digests import weekly_run as run
from worker.jobs import jobs
from worker.sending import mail_connections, send_slice

pytestmark = [
    pytest.mark.outside,
    pytest.mark.once,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]

SLOT, DUE = "2026-W47", datetime(2026, 11, 17, 9, tzinfo=UTC)
READERS = [f"reader-{each}@{DOMAIN}" for each in range(30)]
GREYS = [f"reader-{each}@{GREY}" for each in range(6)]
GONE = f"gone@{DOMAIN}"
Ask = Callable[..., Relay]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of our own for localhost, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem))
    return path


@pytest.fixture
def relay(certificate, sqlite, redis_url, clock: Clock, setting, monkeypatch) -> Iterator[Ask]:
    """Start a relay for these readers, and let the settings name it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    smtp_connection._default_context.cache_clear()
    for holder, kept in ((mail_connections, "_kept"), (send_slice, "_histories"), (send_slice, "_paces")):
        monkeypatch.setattr(holder, kept, {})
    started: list[Relay] = []

    def start(kind: type[Relay], readers: list[str], **variables: object) -> Relay:
        server = kind(readers, certificate)
        started.append(server)
        server.start()
        setting(MAIL_URL=server.url, MAIL_FROM=f"Verdicts <{SENDER}>", **variables)
        load_catalogue()
        _subscribe([*readers, FULL, GONE], clock.now - timedelta(days=9))
        return server

    yield start
    smtp_connection._default_context.cache_clear()
    for server in started:
        server.end()


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """The settings of an RSA and an ed25519 key."""
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "rsa").write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(*form))
    (tmp_path / "ed").write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    files = f"{tmp_path}/rsa,{tmp_path}/ed"
    return {"DKIM_DOMAIN": "verdicts.example", "DKIM_SELECTOR": "w47,w47e", "DKIM_KEY_FILE": files}


def _verifies(message: bytes) -> bool:
    """What dkimpy says of the RSA signature, which stands first; it knows no ed25519 here."""
    signer = signer_of(settings())
    assert signer
    records = {f"{signer.record_name(key)}.".encode(): key.record.encode() for key in signer.keys}
    return bool(dkim.DKIM(message).verify(0, dnsfunc=lambda name, timeout=5: records.get(name, b"")))


def _subscribe(addresses: list[str], since: datetime) -> None:
    common = {"state": "active", "created_at": since, "confirmed_at": since, "joined": 0}
    with writing() as session:
        session.execute(insert(Subscriber), [{"address": each, "address_key": each, **common} for each in addresses])


def _let_time_pass(clock: Clock, length: timedelta) -> None:
    """What the clock's entries do, every ten minutes; a second goes by for the servers, whose own clocks run on."""
    end = clock.now + length
    while clock.now < end:
        clock.set(clock.now + timedelta(minutes=10))
        run.tick()
        jobs.work()
        send_slice.send()
        for transport in next(iter(mail_connections._kept.values()), []):
            transport.close()
        if clock.now >= DUE:
            time.sleep(1)


def _account() -> dict[str, Delivery]:
    with reading(snapshot=True) as session:
        assert accounts.account(session, digests.get(session, SLOT)).holds
        query = select(Subscriber.address, Delivery).join(
            Delivery, Delivery.person == "subscriber:" + Subscriber.id.cast(Delivery.person.type)
        )
        return dict(map(tuple, session.execute(query)))


def _assert_account_is_the_servers(server: Relay, able: list[str], gone: tuple[int, str] = (550, "5.1.1")) -> None:
    """Whoever can get the letter has it once and counts as sent; the full and the absent mailbox count as what the
    server said of them."""
    found = server.delivered(len(able))
    assert found == Counter(able), (found - Counter(able), Counter(able) - found, server.log()[-3000:])
    account = _account()
    assert {each: row.state for each, row in account.items() if each in able} == dict.fromkeys(able, "sent")
    assert (account[GONE].state, account[GONE].code) == ("failed", gone[0])
    assert gone[1] in (account[GONE].reply or "")


# ---- Postfix: one sender, two connections, STARTTLS with a login, postgrey ---------------------------------------


def test_a_relay_with_one_sender_takes_the_digest_once_verp_is_off(relay, clock):
    server = relay(Postfix, [*READERS, *GREYS], MAIL_VERP="0", SEND_CONNECTIONS="4")
    _let_time_pass(clock, timedelta(hours=3))
    _assert_account_is_the_servers(server, [*READERS, *GREYS])
    full = _account()[FULL]
    assert full.state == "deferred"
    assert (full.reply or "").startswith("452 4.2.2")
    assert {each["Return-Path"] for each in server.letters()} == {f"<{SENDER}>"}
    log = server.log()
    assert len(set(re.findall(rf"Greylisted.* to=<(reader-\d+@{GREY})>", log))) == len(GREYS)
    assert "too many connections" in log.lower() or "concurrency limit" in log
    assert "Helo command rejected" not in log  # the host's own name may have no dot


def test_a_relay_with_one_sender_refuses_every_letter_with_verp_and_nobody_is_lost(relay, clock):
    server = relay(Postfix, READERS[:6])
    _let_time_pass(clock, timedelta(minutes=110))
    assert server.delivered(0) == {}
    assert "not owned by user" in server.log()
    assert {row.state for row in _account().values()} == {"pending"}


def test_a_relay_that_asks_for_a_full_name_refuses_one_without_a_dot_and_nobody_is_lost(relay, clock):
    server = relay(Postfix, READERS[:3], MAIL_VERP="0", MAIL_EHLO="gate")
    _let_time_pass(clock, timedelta(minutes=90))
    assert server.delivered(0) == {}
    assert "<gate>: Helo command rejected" in server.log()
    assert {row.state for row in _account().values()} == {"pending"}


def test_a_login_that_the_relay_refuses_costs_nobody_an_attempt(relay, clock, setting):
    server = relay(Postfix, READERS[:3], MAIL_VERP="0")
    setting(MAIL_URL=server.url.replace("p%40ss", "p%40st"))
    _let_time_pass(clock, timedelta(minutes=90))
    assert server.delivered(0) == {}
    assert {(row.state, row.tries) for row in _account().values()} == {("pending", 0)}
    setting(MAIL_URL=server.url)
    _let_time_pass(clock, timedelta(hours=2))
    _assert_account_is_the_servers(server, READERS[:3])


# ---- Exim: two connections, five letters in each, a quota -------------------------------------------------------


def test_a_quota_and_limits_on_connections_are_kept_and_everybody_gets_the_letter_once(relay, clock):
    server = relay(Exim, READERS, SEND_CONNECTIONS="4")
    _let_time_pass(clock, timedelta(hours=4))
    _assert_account_is_the_servers(server, READERS)
    full = _account()[FULL]
    assert full.state == "deferred"
    assert "4.2.2" in (full.reply or "")
    senders = Counter(each["Return-Path"] for each in server.letters())
    assert len(senders) == len(READERS)  # VERP: to each reader from an address of their own
    log = server.log()
    assert "Your quota is used up" in log
    assert "too many messages in one connection" in log
    assert "Too many concurrent" in log or "too many connections" in log.lower()


@pytest.mark.parametrize(
    ("signed", "holds"),
    [
        ("from,to,subject,list-id,list-unsubscribe,list-unsubscribe-post,mime-version,content-type", True),
        ("", False),
    ],
)
def test_signatures_hold_behind_a_relay_that_writes_its_own_message_id_and_date(
    relay, clock, keys, signed: str, holds: bool
):
    server = relay(RewritingExim, READERS[:3], **keys, DKIM_SIGNED=signed)
    _let_time_pass(clock, timedelta(hours=2))
    _assert_account_is_the_servers(server, READERS[:3])
    assert all("relay.example" in each["Message-ID"] for each in server.letters())
    assert set(map(_verifies, server.raw())) == {holds}


# ---- OpenSMTPD: five letters in each session, STARTTLS with a login, senders of one domain ------------------------


def test_a_limit_of_letters_in_a_session_costs_nobody_a_letter(relay, clock, keys):
    server = relay(OpenSmtpd, READERS, **keys)
    _let_time_pass(clock, timedelta(hours=3))
    _assert_account_is_the_servers(server, READERS, gone=(524, "5.2.4 Mailing list expansion problem"))
    account = _account()
    assert account[FULL].state == "deferred"
    assert (account[FULL].reply or "").startswith("452 4.2.2")
    assert {row.claimed_at for each, row in account.items() if each in READERS} == {DUE}  # all in the first slice
    log = server.log()
    assert "authentication user=verdicts result=ok" in log
    assert "tls ciphers=TLSv1.3" in log
    assert set(map(_verifies, server.raw())) == {True}
    assert len({each["Return-Path"] for each in server.letters()}) == len(READERS)  # VERP in the domain that it allows


def test_a_relay_with_senders_of_one_domain_refuses_a_bounce_domain_elsewhere_and_nobody_is_lost(relay, clock):
    server = relay(OpenSmtpd, READERS[:3], MAIL_BOUNCE_DOMAIN="bounce.verdicts.example")
    _let_time_pass(clock, timedelta(minutes=110))
    assert server.delivered(0) == {}
    assert {row.state for row in _account().values()} == {"pending"}, server.log()[-3000:]


def test_a_relay_that_gives_up_each_handshake_costs_nobody_an_attempt(relay, clock):
    server = relay(OldOpenSmtpd, READERS[:3])
    _let_time_pass(clock, timedelta(minutes=90))
    assert server.delivered(0) == {}
    assert "missing private key" in server.log()
    assert {(row.state, row.tries) for row in _account().values()} == {("pending", 0)}
