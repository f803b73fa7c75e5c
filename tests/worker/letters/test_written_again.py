"""`verdicts deliveries show ID --message`: the bytes of the last attempt, or a sentence that says why they differ."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from db.deliveries import deliveries, erasure
from db.monitoring.alerts import Alert
from db.operators.operators import Operator
from db.persons import person_of
from db.session import reading, writing
from db.subscribers import subscribers, subscriptions
from emails.replies import Outcome, judge
from tests import transports
from tests.worker.digests.test_digests import SLOT, join, send
from web.cli import main
from worker.digests import digest_previews
from worker.digests import weekly_run as run
from worker.letters import composing
from worker.letters.letters_as_sent import TOLD

pytestmark = pytest.mark.usefixtures("catalogue")
ALICE = "alice@reader.example"


def shown(number: int) -> Result:
    return CliRunner().invoke(main, ["deliveries", "show", str(number), "--message"])


def number_of(letter: str = "digest", person: str = "subscriber:1") -> int:
    query = text("SELECT id FROM deliveries WHERE letter = :letter AND person = :person")
    with reading() as session:
        return session.scalar(query, {"letter": letter, "person": person})


def last_to(door, address: str = ALICE) -> bytes:
    return [message for to, message in door.sent if to == address][-1]


def same(door, number: int, address: str = ALICE) -> bool:
    done = shown(number)
    assert done.exit_code == 0, done.output
    assert done.stderr == TOLD["same"] + "\n"
    return done.stdout_bytes == last_to(door, address)


def sign_with_a_new_key(setting, house: Path) -> None:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (house / "key.pem").write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    setting(DKIM_DOMAIN="verdicts.example", DKIM_SELECTOR="w47", DKIM_KEY_FILE=house / "key.pem")


def sent(clock) -> int:
    """A digest on its way to three readers. Returns Alice's delivery."""
    send(SLOT, clock.now)
    run.address_frozen()
    transports.run()
    return number_of()


@pytest.fixture
def signed(door, setting, house) -> None:
    sign_with_a_new_key(setting, house)


# ---- the same bytes ------------------------------------------------------------------------------------------


def test_the_bytes_are_those_that_were_sent_long_after_and_whatever_alice_did(
    asking, door, signed, clock, catalogue, votes_of
):
    number = sent(clock)
    assert b"You said ship to one" in last_to(door)
    clock.forward(days=200)
    with writing() as session:
        session.execute(text("UPDATE votes SET choice = 'skip'"))
        session.execute(text("UPDATE digests SET html = html || ' other', text = text || ' templates'"))
    assert same(door, number)


@pytest.mark.once
def test_the_bytes_are_those_that_were_sent_after_alice_left_and_came_again(door, signed, clock, votes_of):
    number = sent(clock)
    clock.forward(days=30)
    alice = 1
    with writing() as session:
        subscriptions.leave(session, alice, "page", clock.now)
    form = {"words": "w", "words_version": "1", "locale": "en", "form_url": "f", "ip": None, "user_agent": None}
    with writing() as session:
        subscriptions.request(session, ALICE, **form, now=clock.now)
    clock.forward(hours=1)
    with writing() as session:
        sign_up = session.scalar(text("SELECT max(id) FROM consents WHERE what = 'asked'"))
        assert subscriptions.confirm(session, sign_up, None, clock.now).confirmed_at == clock.now
    assert same(door, number)


def test_after_two_attempts_they_are_the_second_ones(door, signed, clock, votes_of):
    door.answer = lambda to, number: judge("rcpt", 450, "4.2.0 busy") if number <= 3 else judge("dot", 250, "ok")
    number = sent(clock)
    first = last_to(door)
    assert same(door, number)
    clock.forward(hours=5)
    transports.run()
    assert last_to(door) != first
    assert same(door, number)


def test_a_claim_that_came_to_nothing_does_not_change_what_was_sent_last(door, signed, clock, votes_of):
    door.answer = lambda to, number: judge("rcpt", 450, "4.2.0 busy")
    number = sent(clock)
    clock.forward(hours=1)
    with writing() as session:  # as a claim does whose letters are all held back by their domain's rate
        session.execute(text("UPDATE deliveries SET claimed_at = :now"), {"now": clock.now.replace(tzinfo=None)})
    assert same(door, number)


@pytest.mark.once
def test_the_other_letters_are_written_again_as_far_as_their_rows_go(door, signed, clock):
    alice = join(ALICE, clock.now)
    with writing() as session:
        olga = Operator(address="olga@newsroom.example", address_key="olga", role="operator", created_at=clock.now)
        alert = Alert(key="k", kind="k", title="Refused", told="It is.\nSince nine.", link="/", opened_at=clock.now)
        session.add_all((olga, alert))
        session.flush()
        deliveries.owe(session, "alert", alert.id, person_of(olga.id, "operator"), clock.now)
        form = {"words": "w", "words_version": "1", "locale": "en", "form_url": "f", "ip": None, "user_agent": None}
        subscriptions.request(session, "bob@reader.example", **form, now=clock.now)
        deliveries.owe(session, "confirm", 2, person_of(alice + 1), clock.now)
        deliveries.owe(session, "welcome", 1, person_of(alice), clock.now)
        letter = digest_previews.draft_letter(SLOT, clock.now)
        digest_previews.send_test(session, SLOT, letter, "dana@newsroom.example", clock.now)
    transports.run()
    assert len(door.sent) == 4
    for number, (to, message) in zip(numbers_in_order(), door.sent, strict=True):
        assert shown(number).stdout_bytes == message, to
        assert shown(number).stderr == TOLD["same"] + "\n"


def numbers_in_order() -> list[int]:
    with reading() as session:
        return list(session.scalars(text("SELECT id FROM deliveries WHERE fingerprint IS NOT NULL ORDER BY id")))


# ---- where they differ ---------------------------------------------------------------------------------------


@pytest.mark.once
def test_after_a_change_of_the_dkim_key_only_the_signature_differs(door, signed, clock, setting, house, votes_of):
    number = sent(clock)
    sign_with_a_new_key(setting, house)
    composing._composer.cache_clear()  # another process
    composing.signer.cache_clear()
    done = shown(number)
    assert done.stderr == TOLD["other keys"] + "\n"
    assert done.stdout_bytes != last_to(door)
    assert done.stdout_bytes.partition(b"From: ")[2] == last_to(door).partition(b"From: ")[2]


@pytest.mark.once
def test_a_new_secret_key_makes_other_tokens_unless_it_names_the_old_one(door, signed, clock, setting, votes_of):
    number = sent(clock)
    setting(SECRET_KEY="another one,a key for tests")
    assert same(door, number)
    setting(SECRET_KEY="another one")
    assert shown(number).stderr == TOLD["other keys"] + "\n"
    assert len(shown(number).stdout_bytes) == len(last_to(door))


@pytest.mark.once
def test_another_address_or_another_sender_is_another_letter(door, signed, clock, setting, votes_of):
    number = sent(clock)
    setting(MAIL_FROM="Verdicts <other@verdicts.example>")
    assert shown(number).stderr == TOLD["other"] + "\n"
    setting(MAIL_FROM="Verdicts <digest@verdicts.example>")
    assert same(door, number)
    with writing() as session:
        session.execute(text("UPDATE subscribers SET address = 'new@reader.example' WHERE id = 1"))
    assert shown(number).stderr == TOLD["other"] + "\n"


def test_what_a_sender_left_in_doubt_is_written_with_the_date_of_its_claim(door, signed, clock, votes_of):
    def no_reply(to: str, number: int) -> Outcome:
        return Outcome("unknown", None, "the connection broke", "dot")

    door.answer = no_reply
    number = sent(clock)
    assert same(door, number), "this sender lived on, and settled it"
    with writing() as session:
        session.execute(text("UPDATE deliveries SET fingerprint = NULL"))
    done = shown(number)
    assert done.stderr == TOLD[None] + "\n"
    assert done.stdout_bytes == last_to(door)
    with writing() as session:  # an earlier attempt's
        session.execute(text("UPDATE deliveries SET fingerprint = :old"), {"old": b"\x65" + b"x" * 19})
    assert shown(number).stderr == TOLD[None] + "\n"


# ---- where there is none -------------------------------------------------------------------------------------


def test_what_was_never_tried_or_is_gone_is_said(door, clock, votes_of):
    send(SLOT, clock.now)
    run.address_frozen()
    done = shown(number_of())
    assert (done.exit_code, "No attempt at delivery 1 was made yet: it is pending." in done.output) == (1, True)
    assert "There is no delivery 99." in shown(99).output
    transports.run()
    with writing() as session:
        found = subscribers.by_address(session, ALICE)
        assert found
        erasure.erase(session, found, clock.now)
    assert "nobody has its address any more" in shown(number_of()).output
    with reading() as session:
        assert session.scalar(text("SELECT fingerprint FROM deliveries WHERE person = 'subscriber:1'")) is None


@pytest.mark.once
def test_without_message_it_shows_the_delivery(door, clock, votes_of):
    number = sent(clock)
    done = CliRunner().invoke(main, ["deliveries", "show", str(number)])
    assert done.exit_code == 0
    assert ALICE in done.output
    assert "sent" in done.output
    assert f"{clock.now:%Y-%m-%d}" in done.output
