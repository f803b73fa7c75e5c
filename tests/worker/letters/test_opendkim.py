"""What leaves by the door, verified by Debian's opendkim: another's code, as mail servers run it."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from db.deliveries import addressing, deliveries
from db.digests import digests, schedule
from db.session import writing
from db.subscribers import audiences
from emails import letters
from emails.messages.dkim import signer_of
from emails.messages.dkim_keys import PrivateKey
from tests.emails.people import SITE, WEEK
from worker.sending import send_slice

OPENDKIM = shutil.which("opendkim") or shutil.which("opendkim", path="/usr/sbin")
SLOT = "2026-W47"

pytestmark = [
    pytest.mark.outside,
    pytest.mark.skipif(not OPENDKIM, reason="opendkim is not installed (on Debian: apt-get install opendkim)"),
]

KEYS: dict[str, Callable[[], PrivateKey]] = {
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519": Ed25519PrivateKey.generate,
}


@pytest.fixture(params=["rsa", "ed25519", "rsa ed25519"])
def record(request: pytest.FixtureRequest, sqlite: str, setting, house: Path) -> str:
    """The settings name a key of each of these kinds; what stands in the DNS of this world."""
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    kinds = request.param.split()
    for kind in kinds:
        (house / f"{kind}.pem").write_bytes(KEYS[kind]().private_bytes(*form))
    given = setting(
        MAIL_URL="maildir:letters", MAIL_FROM="Zoë’s Verdicts <digest@verdicts.example>",
        DKIM_DOMAIN="verdicts.example", DKIM_SELECTOR=",".join(kinds),
        DKIM_KEY_FILE=",".join(f"{house}/{kind}.pem" for kind in kinds),
    )  # fmt: skip
    signer = signer_of(given)
    assert signer is not None
    return "\n".join(f"{signer.record_name(key)} {key.record}" for key in signer.keys)


def everybody_gets_their_letters() -> list[Path]:
    """A digest for Alice and Bob, a welcome for Alice, a confirm letter for Charlie; the files they lie in."""
    now = datetime.now(UTC)
    letter = letters.digest(WEEK, SITE)
    with writing() as session:
        for name, state in (("alice", "active"), ("o'bob+news", "active"), ("charlie", "pending")):
            order = (
                "INSERT INTO subscribers (address, address_key, state, created_at, confirmed_at, joined)"
                " VALUES (:address, :address, :state, :now, :now, 0)"
            )
            given = {"address": f"{name}@reader.example", "state": state, "now": "2026-11-01 09:00:00"}
            session.execute(text(order), given)
        deliveries.owe(session, "welcome", 1, "subscriber:1", now)
        deliveries.owe(session, "confirm", 1, "subscriber:3", now)
        taken = audiences.count_audience(session, now)
        made = digests.open_slot(session, SLOT, schedule.of_digests().due(SLOT), now)
        digests.freeze(
            session, made, [], content={}, subject=letter.subject, preheader=letter.preheader, html=letter.html,
            text=letter.text, frozen_at=now, cutoff=now, freeze=taken.number, audience=taken.audience,
        )  # fmt: skip
        while addressing.address(session, made, now):
            pass
        digests.begin(session, made)
    send_slice.run_slice(time.monotonic() + 30)
    return sorted(Path("letters/new").iterdir())


def verdicts(record: str, *messages: Path) -> list[str]:
    """What opendkim writes into Authentication-Results for each message: pass or fail."""
    Path("dns").write_text("".join(line.replace(" ", "\t", 1) + "\n" for line in record.splitlines()))
    Path("opendkim.conf").write_text(f"Mode v\nTestDNSData file:{Path('dns').resolve()}\n")
    said = []
    for message in messages:
        command = [str(OPENDKIM), "-x", "opendkim.conf", "-t", str(message), "-vv"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        found = re.findall(r"\bdkim=(\w+)", done.stdout)
        assert len(found) == len(record.splitlines()), done.stdout + done.stderr
        assert len(set(found)) == 1, found
        said += found[:1]
    return said


def test_every_letter_verifies(record):
    files = everybody_gets_their_letters()
    assert len(files) == 4
    assert verdicts(record, *files) == ["pass"] * 4


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\r\nLarkspur", b"\r\nLarkspun"),
        (b"\r\nTo: ", b"\r\nSubject: Free money\r\nTo: "),
        (b"\r\nFrom: ", b"\r\nFrom: eve@evil.example\r\nFrom: "),
        (b"=One-Click", b"=Two-Click"),
    ],
    ids=["body", "second Subject", "second From", "another way out"],
)
def test_a_letter_changed_on_its_way_does_not(record, before, after):
    everybody_gets_their_letters()
    [first, *_] = Path("letters/new").glob("digest-*")
    changed = first.read_bytes().replace(before, after, 1)
    assert changed != first.read_bytes()
    Path("changed").write_bytes(changed)
    assert verdicts(record, Path("changed")) == ["fail"]
