"""The console's page of DNS records: what to publish, and what the outside line found."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from db.settings import settings
from tests.emails.played_dns import PlayedDns
from worker.jobs import outside_jobs
from worker.outside import dns_lookups

pytestmark = pytest.mark.once


@pytest.fixture
def relayed(database, setting, house):
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (house / "key.pem").write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    return setting(
        MAIL_URL="smtp://relay.provider.site", MAIL_FROM="news@verdicts.site", MAIL_BOUNCE_DOMAIN="b.elsewhere.org",
        DKIM_DOMAIN="verdicts.site", DKIM_SELECTOR="w47", DKIM_KEY_FILE="key.pem",
    )  # fmt: skip


def test_the_page_prints_the_records_before_anybody_has_looked(relayed, console):
    page = console("viewer").get("/operator/dns").text
    assert "has not asked the name servers yet" in page
    assert "w47._domainkey.verdicts.site. TXT &#34;v=DKIM1; k=ed25519; p=" in page
    assert "_dmarc.verdicts.site. TXT" in page
    assert "pct=" not in page
    assert "MAIL_BOUNCE_DOMAIN b.elsewhere.org is not aligned with verdicts.site" in page


def test_the_page_shows_what_the_outside_line_found(relayed, console, clock, monkeypatch):
    monkeypatch.setattr(dns_lookups, "_asked", None)
    with PlayedDns({("_dmarc.verdicts.site", "TXT"): ['"v=DMARC1; p=<b>none</b>"']}) as played:
        monkeypatch.setattr("emails.dns.questions.machine", played.resolver)
        dns_lookups.keep_looking_up()
        outside_jobs.run(outside_jobs.claim_one())
    page = console("viewer").get("/operator/dns").text
    assert "asked the name servers" in page
    assert "w47._domainkey.verdicts.site does not exist, so no signature verifies" in page
    assert "the DMARC record has no policy" in page
    assert "<b>none</b>" not in page
    assert "is not aligned with verdicts.site" in page


def test_unsigned_letters_and_a_key_that_cannot_be_read_are_told(relayed, console, setting, monkeypatch):
    setting(DKIM_KEY_FILE="none.pem")
    browser = console("viewer")
    assert "none.pem cannot be read" in browser.get("/operator/dns").text
    for name in ("DKIM_DOMAIN", "DKIM_SELECTOR", "DKIM_KEY_FILE"):
        monkeypatch.delenv(name)
    settings.cache_clear()
    assert "Letters leave unsigned" in browser.get("/operator/dns").text


def test_a_site_on_this_machine_has_nothing_to_publish(database, console):
    page = console("viewer").get("/operator/dns").text
    assert "MAIL_URL is a Maildir" in page
    assert "there is nothing to publish" in page
