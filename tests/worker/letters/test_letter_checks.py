"""What an editor is told about a letter before it goes out, in the console and by the command."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from db.digests import schedule
from emails import letters
from emails.letters import Letter
from tests.conftest import load_catalogue
from tests.emails.people import SITE, WEEK
from web.cli import main
from worker.letters import letter_checks

FINE = {
    "BASE_URL": "https://verdicts.example", "MAIL_FROM": "digest@verdicts.example",
    "MAIL_POSTAL_ADDRESS": SITE.postal_address,
}  # fmt: skip
DIGEST = letters.digest(WEEK, SITE)


def told(letter: Letter = DIGEST) -> list[tuple[int, str]]:
    return [(fault.row, fault.advice) for fault in letter_checks.faults(letter)]


@pytest.fixture
def key(house: Path) -> Path:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (house / "dkim.pem").write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(*form))
    return house / "dkim.pem"


def test_a_site_that_is_set_up_well_is_told_nothing(setting, key):
    setting(**FINE, MAIL_URL="smtp://mail.verdicts.example", DKIM_DOMAIN="verdicts.example", DKIM_SELECTOR="w47",
            DKIM_KEY_FILE=key, INBOX_URL="maildir:inbox", MAIL_BOUNCE_DOMAIN="bounce.verdicts.example")  # fmt: skip
    assert told() == []


def test_what_a_setting_could_mend_is_told_with_its_name(setting, house):
    setting(**FINE)
    assert told() == [], "with a Maildir nothing leaves this machine"
    setting(MAIL_URL="smtp://mail.verdicts.example")
    assert told() == [(8, "Set DKIM_DOMAIN, DKIM_SELECTOR and DKIM_KEY_FILE, unless your relay signs.")]
    setting(MAIL_BOUNCE_DOMAIN="bounces.relay.example", MAIL_POSTAL_ADDRESS="")
    assert [row for row, _ in told()] == [8, 9, 14]
    setting(DKIM_DOMAIN="verdicts.example", DKIM_SELECTOR="w47", DKIM_KEY_FILE=house / "nowhere.pem")
    [(row, advice)] = told()
    assert row == 8
    assert "nowhere.pem cannot be read" in advice


def test_a_fault_that_only_a_reader_with_votes_sees_is_told_once(setting):
    setting(**FINE)
    places = DIGEST.html.count("{~or~}") // 2
    assert places
    broken = replace(DIGEST, html=DIGEST.html.replace("{~or~}", "<script></script>{~or~}", 1))
    faults = letter_checks.faults(broken)
    assert [(fault.row, fault.severity) for fault in faults] == [(13, "error")]


def test_errors_come_before_warnings(setting):
    setting(**FINE, MAIL_URL="smtp://mail.verdicts.example")
    broken = replace(DIGEST, html=DIGEST.html.replace("</body>", "<form></form></body>"))
    assert [(fault.row, fault.severity) for fault in letter_checks.faults(broken)] == [(13, "error"), (8, "warning")]


def test_the_command_says_what_to_mend_beside_the_files(database, setting, house):
    load_catalogue(published=datetime.now(UTC) - timedelta(days=1))
    slot = schedule.of_digests().slot_of(datetime.now(UTC))
    setting(**FINE | {"MAIL_POSTAL_ADDRESS": ""})
    done = CliRunner().invoke(main, ["digest", "preview", slot, "--out", "seen"])
    assert done.exit_code == 0, done.output
    *_, subject, fault = done.output.splitlines()
    assert subject.startswith("subject: ")
    assert fault.startswith("warning: The letter has no postal address")
    assert fault.endswith("Set MAIL_POSTAL_ADDRESS.")
