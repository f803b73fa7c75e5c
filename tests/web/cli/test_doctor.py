"""The doctor looks at what a send depends on, and says what to mend."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from db import moments
from db.digests import rule_history
from db.digests.schedule import Weekly
from db.jobs.jobs import Job
from db.monitoring.heartbeats import Heartbeat
from db.session import writing
from tests.emails.played_dns import PlayedDns
from web.cli import main


def look() -> tuple[int, str]:
    done = CliRunner().invoke(main, ["doctor"])
    return done.exit_code, done.output


def test_a_whole_site_is_well(sqlite, redis_url):
    code, told = look()
    assert code == 0, told
    assert told.count("✓") == 7
    assert "✓ letters: No inbox is read (INBOX_URL is not set)" in told


def test_who_runs_with_another_schedule_is_named(sqlite, redis_url, setting):
    now = datetime.now(UTC)
    began = now - timedelta(hours=1)
    with writing() as session:
        rule_history.record(session, Weekly(4, time(9), ZoneInfo("UTC")), now)
        rules = ("web", "near:1", "MON 09:00"), ("clock", "a:2", "FRI 09:00"), ("clock", "b:3", "SUN 09:00")
        for kind, process, rule in rules:
            runs = {"DIGEST_SCHEDULE": rule, "DIGEST_TIMEZONE": "UTC"}
            session.add(Heartbeat(process=process, kind=kind, started_at=began, at=now, runs_with=runs))
    setting(DIGEST_SCHEDULE="FRI 09:00")
    code, told = look()
    assert code == 1
    assert "! schedule: web near:1 runs with “Every Monday at 09:00 (UTC)”; what counts is the clock’s rule" in told
    assert "✕ schedule: The clocks disagree" in told
    assert "a:2: Every Friday at 09:00 (UTC)" in told
    assert "b:3: Every Sunday at 09:00 (UTC)" in told
    assert "this process" not in told


@pytest.mark.parametrize(
    ("host", "proxies", "warns"),
    [("127.0.0.1", 0, False), ("::1", 0, False), ("0.0.0.0", 0, True), ("10.0.0.5", 0, True), ("10.0.0.5", 1, False)],
)
def test_a_site_open_to_the_network_without_a_proxy_is_a_warning(sqlite, redis_url, setting, host, proxies, warns):
    setting(WEB_HOST=host, TRUSTED_PROXIES=proxies)
    code, told = look()
    assert code == 0
    assert (f"! settings: WEB_HOST is {host}, so the network reaches the site" in told) is warns


def test_what_does_not_answer_is_named(house, setting):
    setting(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", REDIS_URL="redis://127.0.0.1:1/0",
            MAIL_URL="smtp://127.0.0.1:1", MAIL_FROM="a@verdicts.example")  # fmt: skip
    code, told = look()
    assert code == 1
    for what in ("database", "redis", "mail server", "clock"):
        assert f"✕ {what}: " in told
    assert "Traceback" not in told


def test_a_database_of_an_older_release_is_told_how_to_be_brought_up(house, redis_url):
    code, told = look()
    assert code == 1
    assert "run: verdicts db upgrade" in told


def test_a_database_that_is_not_set_up_is_told_once(house, redis_url, setting, request):
    """Nothing else is asked of it, and its clock can be compared as it is."""
    setting(DATABASE_URL=request.getfixturevalue("_postgresql_server"))
    code, told = look()
    assert code == 1
    assert told.count("✕") == 1
    assert "✕ database: postgresql answers. The database is not set up" in told
    assert "✓ clock" in told


def test_a_key_that_cannot_sign_is_found_before_a_send(sqlite, redis_url, setting, house):
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (house / "weak.pem").write_bytes(weak.private_bytes(*form))
    setting(DKIM_DOMAIN="verdicts.example", DKIM_SELECTOR="s1", DKIM_KEY_FILE="weak.pem",
            MAIL_FROM="digest@verdicts.example")  # fmt: skip
    code, told = look()
    assert code == 1
    assert "an RSA key needs 2048 bits" in told
    refused = CliRunner().invoke(main, ["up"])
    assert refused.exit_code == 1
    assert "an RSA key needs 2048 bits" in refused.output


def test_a_site_that_signs_with_ed25519_alone_is_warned(sqlite, redis_url, setting, house):
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    for name, key in (("ed", Ed25519PrivateKey.generate()), ("rsa", rsa.generate_private_key(65537, 2048))):
        (house / f"{name}.pem").write_bytes(key.private_bytes(*form))
    given = {"MAIL_FROM": "digest@verdicts.example", "DKIM_DOMAIN": "verdicts.example"}
    setting(**given, DKIM_SELECTOR="s1", DKIM_KEY_FILE="ed.pem")
    code, told = look()
    assert code == 0
    assert "! dkim: signs as s1._domainkey.verdicts.example with ed25519 alone" in told
    setting(**given, DKIM_SELECTOR="s1,s2", DKIM_KEY_FILE="ed.pem,rsa.pem")
    (house / "ed.pem").chmod(0o640)
    (house / "rsa.pem").chmod(0o644)
    told = look()[1]
    assert "✓ dkim: signs as s1._domainkey.verdicts.example and s2._domainkey.verdicts.example" in told
    assert "! dkim: every user of this machine can read rsa.pem: close it with chmod 600 rsa.pem" in told
    assert "can read ed.pem" not in told


def test_a_site_with_a_relay_is_told_what_to_publish_in_the_dns(sqlite, redis_url, setting, house, monkeypatch):
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (house / "key.pem").write_bytes(key.private_bytes(*form))
    setting(MAIL_URL="smtp://127.0.0.1:1", MAIL_FROM="digest@verdicts.site", MAIL_BOUNCE_DOMAIN="b.elsewhere.org",
            MAIL_EHLO="out.verdicts.site",
            DKIM_DOMAIN="verdicts.site", DKIM_SELECTOR="s1", DKIM_KEY_FILE="key.pem")  # fmt: skip
    with PlayedDns({("b.elsewhere.org", "MX"): ["10 mx.elsewhere.org."]}) as played:
        played.records["mx.elsewhere.org", "A"] = ["192.0.2.5"]
        monkeypatch.setattr("emails.dns.questions.machine", played.resolver)
        code, told = look()
    assert code == 1
    assert '! dns: b.elsewhere.org. TXT "v=spf1 a:out.verdicts.site ~all" (SPF): b.elsewhere.org publishes no' in told
    assert '✕ dns: s1._domainkey.verdicts.site. TXT "v=DKIM1; k=rsa; p=' in told
    assert '! dns: _dmarc.verdicts.site. TXT "v=DMARC1; p=none;' in told
    assert (
        "✓ dns: b.elsewhere.org. MX 10 <the host that receives mail for b.elsewhere.org> (MX): published: 10 " in told
    )
    assert "! letters: MAIL_BOUNCE_DOMAIN b.elsewhere.org is not aligned with verdicts.site" in told
    assert "! letters: No inbox is read (INBOX_URL is not set), so letters do not offer to unsubscribe by mail" in told


def test_settings_that_cannot_be_used_are_told_in_words(setting, monkeypatch):
    monkeypatch.setenv("SEND_WINDOW", "99")
    code, told = look()
    assert code == 1
    assert "SEND_WINDOW" in told


def test_a_request_that_waits_without_an_outside_line_is_told(sqlite, redis_url):
    now = moments.now()
    with writing() as session:
        session.add(Job(kind="PostWebhookMessage", payload={}, receiver="a.example", created_at=now,
                        run_after=now - timedelta(minutes=7)))  # fmt: skip
    code, told = look()
    assert code == 1
    assert "✕ outside: a request to another's server has waited for 7 min, and no outside line runs: start it" in told
    with writing() as session:
        session.add(Heartbeat(process="a:1", kind="outside", started_at=now, at=now, alive_at=now, host="a"))
    code, told = look()
    assert code == 0, told
    assert "outside" not in told


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_the_file_that_a_site_left_behind_on_postgresql_is_a_warning(database, redis_url):
    """Whoever is erased after the move would stay in it."""
    told = "! copy: var/verdicts.sqlite3 is still there"
    assert told not in look()[1]
    Path("var").mkdir(exist_ok=True)
    Path("var/verdicts.sqlite3").touch()
    assert told in look()[1]
