"""Settings are read from the environment, checked as they are read, and refused in words."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import time, timedelta
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from db.setting_errors import BadSettings
from db.settings import Settings, settings, variable


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """Nothing set, and an empty folder of one's own."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def given(monkeypatch):
    """The settings with these variables set."""

    def read(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        return settings()

    return read


def test_every_setting_has_a_default_that_works_on_one_machine(given):
    bare = given()
    assert bare.database_url == "sqlite:///var/verdicts.sqlite3"
    assert bare.base_url == "http://localhost:8000"
    assert bare.outbox == Path("var/outbox")
    assert bare.is_local
    assert str(bare.digest_schedule) == "TUE 09:00"
    assert parseaddr(bare.mail_from) == ("Weekly AI Tool Verdicts", "digest@localhost.localdomain")
    assert bare.digest_lead == timedelta(hours=24)
    assert bare.digest_lateness == timedelta(days=6)
    assert (bare.send_window, bare.send_lease, bare.send_rate, bare.send_connections) == (8, 30, 0, 1)


def test_a_variable_may_be_written_in_small_letters(given):
    assert given(port="8100").port == 8100


def test_an_empty_variable_is_an_unset_one(given):
    assert given(MAIL_URL="", PORT="").mail_url == "maildir:var/outbox"


def test_a_changed_port_moves_the_site_and_a_changed_name_the_sender(given):
    moved = given(PORT="8123", SITE_NAME="Ünï, Inc.")
    assert moved.base_url == "http://localhost:8123"
    assert parseaddr(moved.mail_from) == ("Ünï, Inc.", "digest@localhost.localdomain")


@pytest.mark.parametrize(
    ("variables", "field", "value"),
    [
        ({"DIGEST_SCHEDULE": "fri 7:05"}, "digest_schedule", (4, time(7, 5))),
        ({"DIGEST_SCHEDULE": "Sunday 23:59"}, "digest_schedule", (6, time(23, 59))),
        ({"DIGEST_TIMEZONE": "Asia/Tokyo"}, "digest_timezone", ZoneInfo("Asia/Tokyo")),
        ({"DIGEST_LEAD": "90m"}, "digest_lead", timedelta(minutes=90)),
        ({"DIGEST_LATENESS": "1d12h"}, "digest_lateness", timedelta(hours=36)),
        ({"DIGEST_LOCAL_TIME": "true"}, "digest_local_time", True),
        ({"SEND_LEASE": "45s"}, "send_lease", 45),
        (
            {"BASE_URL": "https://verdicts.example/", "SECRET_KEY": "k"},
            "base_url",
            "https://verdicts.example",
        ),
        ({"MAIL_FROM": "Ana <ana@verdicts.example>"}, "mail_from", "Ana <ana@verdicts.example>"),
        ({"BASE_URL": "HTTP://[::1]:8000/"}, "base_url", "http://[::1]:8000"),
        ({"BASE_URL": "http://Bücher.example:8080"}, "base_url", "http://xn--bcher-kva.example:8080"),
        ({"MAIL_FROM": "Ana <ana@bücher.example>"}, "mail_from", "Ana <ana@xn--bcher-kva.example>"),
        ({"MAIL_FROM": '"Ana, Ltd" <ana@verdicts.example>'}, "mail_from", '"Ana, Ltd" <ana@verdicts.example>'),
        ({"MAIL_FROM": "Verdicts: AI <ana@verdicts.example>"}, "mail_from", '"Verdicts: AI" <ana@verdicts.example>'),
        ({"DKIM_SIGNED": "From, Subject,"}, "dkim_signed", ("from", "subject")),
        (
            {"DKIM_DOMAIN": "b.example", "DKIM_SELECTOR": "S1, s2", "DKIM_KEY_FILE": "a b.pem, c.pem"},
            "dkim_key_files",
            (Path("a b.pem"), Path("c.pem")),
        ),
        ({"MAIL_VERP": "0"}, "mail_verp", False),
        ({"MAIL_EHLO": "Mail.Verdicts.example"}, "mail_ehlo", "mail.verdicts.example"),
        ({"MAIL_EHLO": "mail.verdicts.example."}, "mail_ehlo", "mail.verdicts.example"),
        ({"MAIL_EHLO": "Büro.verdicts.example"}, "mail_ehlo", "xn--bro-hoa.verdicts.example"),
        ({"MAIL_EHLO": "[2001:db8::7]"}, "mail_ehlo", "[IPv6:2001:db8::7]"),
        ({"MAIL_EHLO": "[IPv6:192.0.2.7]"}, "mail_ehlo", "[192.0.2.7]"),
        ({"MAIL_EHLO": "[192.0.2.7]"}, "mail_ehlo", "[192.0.2.7]"),
        ({"MAIL_EHLO": "[ipv6:2001:DB8::7]"}, "mail_ehlo", "[IPv6:2001:db8::7]"),
        ({"MAIL_BOUNCE_DOMAIN": "rück.example"}, "mail_bounce_domain", "xn--rck-hoa.example"),
        ({"SITE_NAME": " Verdicts 👩\u200d💻 می\u200cخواهم "}, "site_name", "Verdicts 👩\u200d💻 می\u200cخواهم"),
        (
            {"OUTSIDE_NETWORKS": "10.20.0.0/16, ::1"},
            "outside_networks",
            (ip_network("10.20.0.0/16"), ip_network("::1/128")),
        ),
        ({"MAIL_BOUNCE_DOMAIN": "Bounce.Verdicts.example"}, "mail_bounce_domain", "bounce.verdicts.example"),
    ],
)
def test_values_are_read_as_people_write_them(given, variables, field, value):
    assert getattr(given(**variables), field) == value


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "eighty", "PORT is 'eighty': this is no whole number. Write a number from 1 to 65535."),
        ("PORT", "70000", "this is too much"),
        ("WEB_HOST", "all", "WEB_HOST is 'all': this is no IP address."),
        ("WEB_HOST", "10.0.0.5:8000", "this is no IP address"),
        ("BASE_URL", "verdicts.example", "Write an address such as https://verdicts.example."),
        ("BASE_URL", "javascript:alert(1)", "this is no address of a site"),
        ("BASE_URL", "https://verdicts.example/news", "something follows its host and port"),
        ("BASE_URL", "https://verdicts.example/?a=1", "something follows its host and port"),
        ("BASE_URL", "https://verdicts.example#top", "something follows its host and port"),
        ("BASE_URL", "https://dana:opensesame@verdicts.example", "it holds a user or a password"),
        ("BASE_URL", "https://ver dicts.example", "its host is no name"),
        ("BASE_URL", "https://verdicts.example:port", "its host and port cannot be read"),
        ("BASE_URL", "https://verdicts.example:0", "its port is no number"),
        ("BASE_URL", "https://-.example", "its host is no name"),
        ("BASE_URL", "https://x\u2028.example", "it holds a line separator"),
        ("BASE_URL", "https://☃\u0301..example", "its domain cannot be written in the DNS"),
        ("DIGEST_SCHEDULE", "sometimes", "Write a weekday and a time, such as TUE 09:00."),
        ("DIGEST_SCHEDULE", "TUE 24:00", "this is no weekday with a time"),
        ("DIGEST_TIMEZONE", "Mars/Olympus", "there is no such zone"),
        ("DIGEST_TIMEZONE", "../../etc/passwd", "there is no such zone"),
        ("DIGEST_LEAD", "24", "this is no length of time. Write a length such as 24h or 90m."),
        ("ON_UNKNOWN", "shrug", "Write hold or resend."),
        ("SEND_WINDOW", "17", "Write a number from 1 to 16."),
        ("SEND_RATE", "fast", "this is no number"),
        ("MAIL_FROM", "nobody", "must have an @-sign"),
        ("MAIL_FROM", "A <a@verdicts.example>\nBcc: b@c.example", "it holds a control character"),
        ("MAIL_FROM", "a@verdicts.example, b@verdicts.example", "it holds more than one address"),
        ("MAIL_REPLY_TO", "Team: a@verdicts.example, b@verdicts.example;", "it holds more than one address"),
        ("MAIL_FROM", "Ana, Ltd <ana@verdicts.example>", "it holds more than one address"),
        ("MAIL_FROM", "añá@verdicts.example", "nternationalized characters before the @-sign"),
        ("MAIL_FROM", "ana@.example", "MAIL_FROM is"),
        ("SITE_NAME", "Verdicts\r\nX: y", "it holds a control character"),
        ("SITE_NAME", "Verdicts\vX", "it holds a control character"),
        ("SITE_NAME", "Verdicts\fX", "it holds a control character"),
        ("SITE_NAME", "Verdicts\x85X", "it holds a control character"),
        ("SITE_NAME", "Verdicts\u2028X", "it holds a line separator"),
        ("SITE_NAME", "Verdicts\u2029X", "it holds a line separator"),
        ("SITE_NAME", "Verdicts\u202eX", "it holds a character that turns the direction of writing"),
        ("SITE_NAME", "Verdicts\u2067X", "it holds a character that turns the direction of writing"),
        ("SITE_NAME", "Verdicts\udcff", "it is not written in UTF-8"),
        ("MAIL_POSTAL_ADDRESS", "1 Road\u2028Town", "it holds a line separator"),
        ("MAIL_FROM", "A\u202eB <a@verdicts.example>", "it holds a character that turns the direction"),
        ("DKIM_DOMAIN", "ver\u2028dicts.example", "it holds a line separator"),
        ("MAIL_BOUNCE_DOMAIN", "not a domain", "this is no domain"),
        ("MAIL_EHLO", "mail.example\r\nMAIL FROM", "it holds a control character"),
        ("MAIL_EHLO", "192.0.2.7", "an IP address has to stand in brackets"),
        ("MAIL_EHLO", "2001:db8::7", "an IP address has to stand in brackets"),
        ("MAIL_EHLO", "[192.0.2.7", "an IP address has to stand in brackets"),
        ("MAIL_EHLO", "[fe80::1%eth0]", "what stands in its brackets is no IP address"),
        ("MAIL_EHLO", "mail gate.example", "this is no domain"),
        ("MAIL_EHLO", "gate_1.verdicts.example", "this is no domain"),
        ("MAIL_EHLO", f"{'a' * 64}.example", "this is no domain"),
        ("MAIL_EHLO", f"{'a.' * 124}example", "this is no domain"),
        ("MAIL_BOUNCE_DOMAIN", "192.0.2.7", "this is an IP address, and no domain"),
        ("DKIM_SELECTOR", "w47._domainkey", "the selector is what stands before ._domainkey"),
        ("DKIM_SELECTOR", "w 47", "this is no selector"),
        ("MAIL_EHLO", "[mail.example]", "what stands in its brackets is no IP address"),
        ("MAIL_REPLY_TO", "ana@verdicts.example, bob@verdicts.example", "it holds more than one address"),
        ("MAIL_VERP", "sometimes", "MAIL_VERP is 'sometimes': this is neither yes nor no. Write 1 or 0."),
        ("DKIM_DOMAIN", "verdicts.example", "all of DKIM_DOMAIN, DKIM_SELECTOR and DKIM_KEY_FILE"),
        ("MAIL_TOKEN_COMMAND", "print-token", "needs a user and TLS in MAIL_URL"),
        ("DKIM_SIGNED", "from, to: subject", "'to: subject' is no header field"),
        ("OUTSIDE_NETWORKS", "10.0.0.0/8,example", "'example' is no network"),
        ("OUTSIDE_NETWORKS", "10.0.0.1/8", "'10.0.0.1/8' is no network (10.0.0.1/8 has host bits set)"),
        ("DATABASE_URL", "mysql://host/name", "it begins with none of sqlite:, postgresql:"),
    ],
)
def test_a_bad_value_is_named_with_what_to_write(given, name, value, said):
    with pytest.raises(BadSettings) as caught:
        given(**{name: value})
    assert name in str(caught.value)
    assert said in str(caught.value)
    assert "opensesame" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_every_bad_value_gets_its_line(given):
    with pytest.raises(BadSettings) as caught:
        given(PORT="x", SEND_WINDOW="99", ON_UNKNOWN="y")
    assert [line.split()[0] for line in str(caught.value).splitlines()] == [
        "PORT",
        "ON_UNKNOWN",
        "SEND_WINDOW",
    ]


@pytest.mark.parametrize("name", ["MAIL_URL", "DATABASE_URL", "REDIS_URL", "INBOX_URL"])
def test_a_password_never_stands_in_an_error(given, name):
    with pytest.raises(BadSettings) as caught:
        given(**{name: "gopher://user:opensesame@host"})
    assert "opensesame" not in str(caught.value)


def test_a_command_that_prints_tokens_never_stands_in_an_error(given):
    with pytest.raises(BadSettings, match="MAIL_TOKEN_COMMAND: it holds a control character") as caught:
        given(MAIL_TOKEN_COMMAND="print-token\n--secret opensesame")
    assert "opensesame" not in str(caught.value)


def test_a_token_stands_in_for_the_password_of_a_user_over_tls(given):
    assert (
        given(MAIL_URL="smtps://u@mail.example", MAIL_TOKEN_COMMAND="print-token").mail_token_command == "print-token"
    )
    for url, said in (
        ("smtp://u@mail.example", "needs a user and TLS"),
        ("smtps://mail.example", "needs a user and TLS"),
        ("smtps://u:opensesame@mail.example", "leave one of them out"),
    ):
        with pytest.raises(BadSettings, match=said) as caught:
            given(MAIL_URL=url, MAIL_TOKEN_COMMAND="print-token")
        assert "opensesame" not in str(caught.value)


def test_redis_is_the_given_one_or_the_one_that_runs_here(given):
    bare = given()
    with pytest.raises(BadSettings, match="Start one with `verdicts up`, or set REDIS_URL"):
        bare.redis_url  # noqa: B018
    Path("var").mkdir()
    Path("var/redis.url").write_text("redis://:secret@127.0.0.1:7000/0\n")
    assert bare.redis_url == "redis://:secret@127.0.0.1:7000/0"
    assert given(REDIS_URL="redis://elsewhere:6379/1").redis_url == "redis://elsewhere:6379/1"


def test_keys_are_newest_first(given):
    assert given(SECRET_KEY="new, old").keys == (b"new", b"old")


def test_a_site_that_others_reach_must_be_given_its_key(given):
    with pytest.raises(BadSettings, match="SECRET_KEY is missing"):
        given(BASE_URL="https://verdicts.example").keys  # noqa: B018
    assert not Path("var").exists()


def test_processes_that_start_together_share_one_new_key(given):
    given()
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: Settings.read().keys, range(48)))
    assert len(keys) == 1
    assert len(next(iter(keys))[0]) >= 32
    assert stat.S_IMODE(os.stat("var/secret_key").st_mode) == 0o600
    assert os.listdir("var") == ["secret_key"]


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8000", True),
        ("http://127.0.0.2", True),
        ("http://[::1]:9", True),
        ("http://news.localhost", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example", False),
    ],
)
def test_local_means_loopback(given, url, local):
    assert given(BASE_URL=url).is_local is local


def test_a_secret_key_of_commas_alone_is_none(setting):
    with pytest.raises(BadSettings, match="SECRET_KEY is missing"):
        _ = setting(SECRET_KEY=" , ", BASE_URL="https://verdicts.example").keys
    assert setting(SECRET_KEY=" , ", BASE_URL="http://localhost:8000").keys
