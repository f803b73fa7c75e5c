"""Processes that run with different settings are named, with both values; a restart is no quarrel."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from db.monitoring import runs_with
from db.monitoring.heartbeats import Heartbeat
from db.monitoring.runs_with import RESTART, Lived, side_by_side
from db.session import reading, writing
from db.settings import Settings, settings, variable
from tests.crash.deployment import Deployment
from tests.crash.processes import until
from tests.transports import digest, run
from worker.alerts import checks
from worker.processes import agreement
from worker.sending import send_limits
from worker.sending.send_limits import SendLimits, lowest

AT = datetime(2026, 11, 17, tzinfo=UTC)
OTHER = {
    "secret_key": "new,a key for tests", "base_url": "http://other.example", "site_name": "Other",
    "mail_url": "maildir:var/outbox", "mail_from": "other@verdicts.example", "mail_bounce_domain": "b.example",
    "mail_reply_to": "ana@verdicts.example", "mail_verp": "0", "inbox_url": "maildir:var/inbox",
    "mail_postal_address": "Other Street 1", "dkim_domain": "example", "dkim_selectors": "w48",
    "dkim_signed": "from,to",
    "digest_schedule": "FRI 17:00", "digest_timezone": "Europe/Madrid", "digest_lead": "3h", "digest_lateness": "2d",
    "digest_local_time": "true", "send_rate": "7", "send_daily": "70", "send_connections": "3", "send_window": "4",
    "send_lease": "60", "send_domain_rates": "gmail.com=5", "on_unknown": "resend", "votes_per_network": "5",
    "signups_per_network": "6", "signups_per_address": "7", "operator_two_factor": "required", "alert_age": "3h",
    "alert_failures": "4", "dkim_key_files": "other.pem",
    "outside_networks": "10.0.0.0/8", "ses_topics": "arn:aws:sns:eu-west-1:123456789012:bounces",
}  # fmt: skip
"""Each agreed setting with another value than that of `site`."""


@pytest.fixture
def site(sqlite, setting, house, clock) -> Settings:
    for name in ("dkim.pem", "other.pem"):
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (house / name).write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    return setting(MAIL_URL="smtp://relay.example", MAIL_FROM="digest@verdicts.example", DKIM_DOMAIN="verdicts.example",
                   DKIM_SELECTOR="w47", DKIM_KEY_FILE=house / "dkim.pem")  # fmt: skip


def beats(process: str, kind: str, told: dict[str, str], began: datetime, at: datetime) -> None:
    with writing() as session:
        fields = {"kind": kind, "started_at": began, "at": at, "alive_at": at, "runs_with": told}
        session.merge(Heartbeat(process=process, **fields))


def named() -> list[str]:
    with reading() as session:
        return [each.in_words for each in agreement.disagreements(session, datetime.now(UTC))]


# ---- which settings ----------------------------------------------------------------------------------------------


def test_every_setting_is_agreed_in_or_each_hosts_own():
    assert set(Settings.model_fields) == {*runs_with.AGREED, *runs_with.OWN}
    assert set(OTHER) == set(runs_with.AGREED)


def test_the_operators_guide_says_who_has_to_agree_in_each():
    page = (Path(__file__).parents[3] / "docs/operators.md").read_text()
    section = page.split("### What all hosts have to agree in\n")[1].split("\n### ")[0]
    *agreed, own = [line for line in section.splitlines() if line.startswith("| `")]
    variables = set(re.findall("[A-Z]+_[A-Z_]+", " ".join(line.split(" | ")[0] for line in agreed)))
    assert variables == {variable(field) for field in runs_with.AGREED}
    assert all(f"`{variable(field)}`" in own for field in runs_with.OWN)


@pytest.mark.parametrize("field", OTHER)
def test_each_setting_that_differs_is_named_with_both_values_and_hosts(site, setting, clock, field):
    kind = runs_with.AGREED[field][0]
    here = runs_with.of(settings())
    there = runs_with.of(setting(**{variable(field): OTHER[field]}))
    name = variable(field)
    assert there[name] != here[name]
    began = clock.now - timedelta(hours=1)
    beats("alpha:1", kind, here, began, clock.now)
    beats("beta:2", kind, there, began, clock.now)
    [told] = [each for each in named() if each.startswith(f"{name} is ")]
    assert f"“{here[name]}” with {kind} alpha:1" in told
    assert f"“{there[name]}” with {kind} beta:2" in told


def test_what_only_senders_use_may_differ_elsewhere(site, setting, clock):
    here, began = runs_with.of(settings()), clock.now - timedelta(hours=1)
    beats("alpha:1", "sender", here, began, clock.now)
    bare = here | {"MAIL_URL": "maildir", "MAIL_FROM": "x@localhost", "DKIM_KEY_FILE": "", "SEND_CONNECTIONS": "9"}
    for kind in ("web", "worker", "clock"):
        beats(f"alpha:{kind}", kind, bare, began, clock.now)
    assert named() == []


def test_a_dkim_key_is_the_same_however_its_file_is_written(site, setting, house):
    key = serialization.load_pem_private_key((house / "dkim.pem").read_bytes(), None)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    copy = house / "copy.pem"
    plain = serialization.PrivateFormat.PKCS8
    copy.write_bytes(b"a comment\n" + key.private_bytes(form[0], plain, form[2]))
    here = runs_with.of(settings())["DKIM_KEY_FILE"]
    assert here == runs_with.of(setting(DKIM_KEY_FILE=copy))["DKIM_KEY_FILE"]
    assert here != runs_with.of(setting(DKIM_KEY_FILE=house / "other.pem"))["DKIM_KEY_FILE"]
    assert runs_with.of(setting(DKIM_KEY_FILE=house / "none.pem"))["DKIM_KEY_FILE"] == "unreadable"


def test_a_process_of_an_older_release_that_does_not_tell_a_setting_differs_in_nothing(site, clock):
    here, began = runs_with.of(settings()), clock.now - timedelta(hours=1)
    beats("alpha:1", "sender", here, began, clock.now)
    beats("old:1", "sender", {"BASE_URL": here["BASE_URL"], "SEND_DAILY": here["SEND_DAILY"]}, began, clock.now)
    beats("older:1", "sender", None, began, clock.now)
    assert named() == []


# ---- restarts ----------------------------------------------------------------------------------------------------


def test_a_restart_with_another_value_is_no_quarrel(site, setting, clock):
    old = runs_with.of(settings())
    new = runs_with.of(setting(SITE_NAME="Renamed"))
    beats("alpha:1", "sender", old, clock.now - timedelta(days=1), clock.now)
    beats("alpha:2", "sender", new, clock.now - timedelta(seconds=5), clock.now)
    assert named() == []
    clock.forward(seconds=19)
    beats("alpha:2", "sender", new, clock.now - timedelta(seconds=24), clock.now)
    assert named() == []


MINUTES = st.integers(0, 10)


@given(st.lists(st.tuples(st.sampled_from("abc"), MINUTES, MINUTES), max_size=6))
def test_whoever_is_named_lived_beside_another_one_that_differs(drawn):
    lived = [Lived(f"host:{number}", AT + timedelta(minutes=since), AT + timedelta(minutes=since + length), value)
             for number, (value, since, length) in enumerate(drawn)]  # fmt: skip
    named = side_by_side(lived)
    assert len(set(named.values())) != 1
    for one in lived:
        beside = [other for other in lived if other.value != one.value
                  and min(one.until, other.until) - max(one.since, other.since) > RESTART]  # fmt: skip
        assert (one.process in named) == bool(beside)


# ---- who is told ---------------------------------------------------------------------------------------------------


@pytest.fixture
def differ(site, setting, clock) -> None:
    here, began = runs_with.of(settings()), clock.now - timedelta(hours=1)
    beats("alpha:1", "sender", here, began, clock.now)
    beats("beta:2", "sender", here | {"SEND_RATE": "7.0", "ON_UNKNOWN": "resend"}, began, clock.now)


def test_an_alert_names_all_that_differs(differ, clock):
    with reading() as session:
        [found] = [each for check in checks.CHECKS for each in check(session, clock.now) if each.kind == "settings"]
    assert found.title == "Processes run with different settings: SEND_RATE, ON_UNKNOWN"
    assert "SEND_RATE is “0.0” with sender alpha:1, but “7.0” with sender beta:2." in found.told


def test_the_strip_of_the_console_says_so(differ, clock):
    from web.operator.frame import health

    with reading() as session:
        assert [(each.word, each.small) for each in health.strip(session, clock.now) if each.label == "Settings"] == [
            ("differ", "SEND_RATE and 1 more")
        ]


# ---- limits ------------------------------------------------------------------------------------------------------

LIMITS = st.builds(
    SendLimits, st.sampled_from([0, 0.5, 3.0]), st.sampled_from([0, 10, 500]), st.integers(1, 32),
    st.dictionaries(st.sampled_from(["gmail.com", "gmx.de"]), st.sampled_from([1.0, 5.0])),
)  # fmt: skip


@given(st.lists(LIMITS, min_size=1, max_size=4))
def test_while_senders_differ_nobody_sends_more_than_any_of_them_allows(limits):
    held = lowest(limits)
    for each in limits:
        assert not each.rate or 0 < held.rate <= each.rate
        assert not each.daily or 0 < held.daily <= each.daily
        assert 1 <= held.connections <= each.connections
        assert all(0 < held.domain_rates[domain] <= rate for domain, rate in each.domain_rates.items())
    assert lowest([held, held]) == held
    assert lowest(limits[:1]) == limits[0]


def test_the_limits_of_a_sender_that_is_gone_hold_no_longer(site, clock):
    beats("beta:2", "sender", {"SEND_RATE": "2.5", "SEND_DAILY": "9", "SEND_DOMAIN_RATES": "gmx.de=1, gmail.com=0.5"},
          clock.now, clock.now)  # fmt: skip
    with reading() as session:
        assert send_limits.held(session, clock.now) == SendLimits(2.5, 9, 1, {"gmx.de": 1.0, "gmail.com": 0.5})
        assert send_limits.held(session, clock.now + timedelta(seconds=21)) == SendLimits(0.0, 0, 1, {})


def test_a_sender_keeps_to_the_daily_limit_of_another_host(door, clock, setting):
    digest(clock)
    beats("beta:2", "sender", {"SEND_DAILY": "12"}, clock.now, clock.now)
    run()
    assert 0 < len(door.sent) <= 12
    clock.forward(minutes=1)  # the other host is gone, and nobody else limits a day
    run()
    assert len(door.sent) == 20


# ---- real processes ------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.waits
def test_two_real_senders_tell_what_they_run_with(postgresql, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(runs_with, "RESTART", timedelta(seconds=1))
    hosts = []
    try:
        for number, rate in enumerate(("5", "7")):
            folder = tmp_path / str(number)
            folder.mkdir()
            given = {"DATABASE_URL": postgresql, "MAIL_URL": "smtp://127.0.0.1:9", "SEND_RATE": rate}
            hosts.append(Deployment(folder, given | {"SECRET_KEY": "a key for tests"}))
            hosts[-1].start("sender")
        until(lambda: any(told.startswith("SEND_RATE is “5.0” with sender ") for told in named()), "both values")
    finally:
        for each in hosts:
            each.close()
