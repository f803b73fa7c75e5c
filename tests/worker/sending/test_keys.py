"""The DKIM key is looked at when a sender starts, and never again: what becomes of its file then does no harm."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from db.deliveries import deliveries
from db.session import writing
from emails.replies import Outcome, judge
from tests import prepared
from tests.crash.deployment import procfile
from tests.transports import digest, run, states
from worker import tasks

ROOT = Path(__file__).parents[3]


def celery(queue: str) -> SimpleNamespace:
    """As much of a Celery process on that queue as is looked at when it starts."""
    return SimpleNamespace(app=SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from={queue: 1}))))


@pytest.fixture
def key(setting, house: Path) -> Path:
    """The file of a key that signs, which the settings name."""
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = house / "dkim.pem"
    file.write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    setting(DKIM_DOMAIN="verdicts.example", DKIM_SELECTOR="w47", DKIM_KEY_FILE=file)
    return file


def test_a_sender_with_a_bad_key_does_not_start(sqlite, redis_url, key):
    key.write_text("no key any more")
    given = {"MAIL_URL": "smtp://127.0.0.1:1", "MAIL_FROM": "digest@verdicts.example"}
    ended = prepared.run(*procfile()["sender"].split(), env=os.environ | given)
    assert ended.returncode != 0
    assert f"Error: DKIM_KEY_FILE {key} holds no private key in PEM." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_only_a_sender_needs_the_key(door, key):
    key.unlink()
    tasks.check_sender(instance=celery("jobs"))
    with pytest.raises(SystemExit, match="cannot be read"):
        tasks.check_sender(instance=celery("mail"))


@pytest.mark.parametrize("harm", [Path.unlink, lambda file: file.write_text("no key any more")], ids=["gone", "bad"])
def test_a_key_file_that_goes_amid_a_send_leaves_every_letter_signed(door, clock, key, harm):
    tasks.check_sender(instance=celery("mail"))
    digest(clock, 20)

    def lose_the_key_at_three(to: str, number: int) -> Outcome:
        if number == 3:
            harm(key)
        return judge("dot", 250, "2.0.0 taken")

    door.answer = lose_the_key_at_three
    run()
    owe_a_welcome(clock)  # another letter, which the sender has not made ready before
    run()
    assert states() == {"sent": 20}
    assert len(door.sent) == 21
    assert all(b"DKIM-Signature: " in message for _, message in door.sent)


def owe_a_welcome(clock) -> None:
    with writing() as session:
        deliveries.owe(session, "welcome", 1, "subscriber:1", clock.now)
