"""Access tokens (XOAUTH2) with real servers: Postfix asks Dovecot, which asks the provider whether a token holds."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from db.session import writing
from emails.transports import access_tokens, smtp_connection
from tests import localhost, returned
from tests.bench.load import free_port
from tests.drills.dovecot import DOVECOT, PASSWORD, USER, Dovecot
from tests.drills.mail_house import MISSING
from tests.drills.tokens import Provider, Submission, logins
from tests.outside_requests import make_all
from tests.returned import bounce, suppressed, verp
from tests.transports import digest, rows, run, states
from worker.feedback import inbox
from worker.sending import mail_connections, send_slice

pytestmark = [
    pytest.mark.outside,
    pytest.mark.once,
    pytest.mark.skipif(DOVECOT is None or "postfix" in MISSING, reason="needs Debian's postfix and dovecot-imapd"),
]

READERS = [f"reader-{number}@reader.example" for number in range(1, 21)]


@pytest.fixture
def provider(tmp_path) -> Iterator[Provider]:
    provider = Provider(tmp_path)
    yield provider
    provider.end()


@pytest.fixture
def servers(provider, sqlite, clock, setting, monkeypatch, tmp_path) -> Iterator[tuple[Dovecot, Submission]]:
    certificate = localhost.certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    smtp_connection._default_context.cache_clear()
    access_tokens.of.cache_clear()
    for holder, kept in ((mail_connections, "_kept"), (send_slice, "_histories"), (send_slice, "_paces")):
        monkeypatch.setattr(holder, kept, {})
    monkeypatch.setattr(inbox, "_memory", inbox._Memory())
    with (
        tempfile.TemporaryDirectory(prefix="verdicts-dovecot-") as one,
        tempfile.TemporaryDirectory(prefix="verdicts-postfix-") as two,
    ):
        port = free_port()
        dovecot = Dovecot(Path(one), certificate, logins(Path(one), provider, port, PASSWORD))
        try:
            postfix = Submission(Path(two), certificate, READERS, port)
            try:
                setting(MAIL_URL=postfix.url, MAIL_FROM=f"Verdicts <{USER}>", MAIL_TOKEN_COMMAND=provider.command)
                yield dovecot, postfix
            finally:
                postfix.end()
        finally:
            dovecot.end()
    smtp_connection._default_context.cache_clear()


def test_a_token_that_ends_amid_a_digest_is_asked_for_anew_and_everybody_gets_the_letter_once(servers, provider, clock):
    _, postfix = servers
    digest(clock, len(READERS))
    postfix.answers = ["DUNNO"] * 8 + ["421 4.7.0 Too many messages in this session"]
    postfix.at_the_last = provider.expire_all
    run()
    assert states() == {"sent": len(READERS)}
    assert postfix.delivered(len(READERS)) == Counter(READERS)
    assert provider.shown == ["token-1", "token-1", "token-2"]
    assert provider.printed() == 2


def test_a_token_that_never_holds_is_asked_for_once_a_login_and_costs_nobody_an_attempt(servers, provider, clock):
    _, postfix = servers
    provider.expired = {f"token-{number}" for number in range(1, 100)}
    digest(clock, len(READERS))
    run(3)
    assert states() == {"pending": len(READERS)}
    assert {row.tries for row in rows("pending")} == {0}
    assert 1 <= len(provider.shown) == provider.printed() <= 3
    assert postfix.delivered(0) == {}
    provider.expired = set()


def test_an_inbox_whose_token_ends_is_opened_with_the_next_one(servers, provider, clock, setting):
    dovecot, _ = servers
    digest(clock, 3)
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sent'"))
    setting(INBOX_URL=dovecot.url.replace(":a_pass%2Fword", ""), INBOX_TOKEN_COMMAND=provider.command)
    for reader in READERS[:2]:
        dovecot.put(bounce(verp(reader), reader))
        for _ in range(2):
            inbox.keep_reading()
            make_all()
            returned.work()
            clock.forward(minutes=2)
        provider.expire_all()
    assert suppressed() == dict.fromkeys(READERS[:2], "hard bounce")
    assert dovecot.left() == []
    assert provider.printed() == 2
