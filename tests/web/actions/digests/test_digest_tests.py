"""Test letters reach nobody by accident: counted, limited and audited, and forgotten with the address."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from db import addresses
from db.deliveries.deliveries import Delivery
from db.digests import digests, schedule
from db.operators.audit import Actor, AuditEntry
from db.rules import Refused
from db.session import reading, writing
from db.subscribers import imports, subscribers, suppressions
from db.tables import TABLES
from tests import operators
from tests.conftest import load_catalogue
from tests.house.test_asking import contents
from web.actions.digests import digest_tests
from web.cli import main
from worker.sending import send_slice

pytestmark = pytest.mark.once

NOW = datetime.now(UTC)
DANA, ERIN = Actor("dana@newsroom.example"), Actor("erin@newsroom.example")


@pytest.fixture
def slot(database) -> str:
    load_catalogue(published=NOW - timedelta(days=1))
    return schedule.of_digests().slot_of(NOW)


def send(slot: str, address: str, actor: Actor = DANA, now: datetime = NOW) -> int | None:
    return digest_tests.send_test(actor, slot, address, now)


def command(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == code, done.output
    return done.output


def stored() -> list[str]:
    with reading() as session:
        return [each.address for each in session.query(digests.TestLetter).order_by(digests.TestLetter.id)]


def test_an_operator_tests_to_operators_addresses_as_often_as_they_like(slot, monkeypatch):
    operators.hash_quickly(monkeypatch)
    operators.put("dana@newsroom.example", "editor")
    operators.put("erin@newsroom.example", "viewer")
    for _ in range(30):
        assert send(slot, "Dana@newsroom.example") is None
    assert send(slot, "erin@newsroom.example") is None
    assert len(stored()) == 31


@pytest.mark.parametrize("change", [{"disabled_at": NOW}, {"password_hash": None}], ids=["disabled", "invited"])
def test_an_account_that_nobody_can_sign_in_to_is_not_an_operators_address(slot, monkeypatch, change):
    operators.hash_quickly(monkeypatch)
    number = operators.put("dana@newsroom.example", "editor")
    with writing() as session:
        for name, value in change.items():
            setattr(session.get(digest_tests.operators.Operator, number), name, value)
    assert send(slot, "dana@newsroom.example") == 4


def test_others_get_five_a_day_from_one_operator_and_the_sixth_is_refused_with_its_hour(slot):
    assert [send(slot, f"author-{number}@elsewhere.example") for number in range(5)] == [4, 3, 2, 1, 0]
    before = contents()
    with pytest.raises(Refused, match=r"one operator sends at most 5 .* can go at \d\d:\d\d UTC on \d{4}-\d\d-\d\d"):
        send(slot, "author-0@elsewhere.example")
    assert contents() == before
    assert send(slot, "author-6@elsewhere.example", ERIN) == 4
    with pytest.raises(Refused):
        send(slot, "author-0@elsewhere.example", now=NOW + timedelta(hours=23, minutes=59))
    assert send(slot, "author-0@elsewhere.example", now=NOW + timedelta(hours=24, minutes=1)) == 4


def test_all_operators_together_send_twenty(slot):
    for number in range(20):
        send(slot, "author@elsewhere.example", Actor(f"editor-{number % 5}@newsroom.example"))
    with pytest.raises(Refused, match="all operators together send at most 20"):
        send(slot, "author@elsewhere.example", ERIN)
    assert len(stored()) == 20


def test_a_command_is_counted_and_says_how_many_are_left(slot):
    told = command("digest", "test", slot, "author@elsewhere.example")
    assert f"A test of {slot} is on its way to author@elsewhere.example." in told
    assert "4 more" in told
    for _ in range(4):
        command("digest", "test", slot, "author@elsewhere.example")
    assert "at most 5 test letters" in command("digest", "test", slot, "author@elsewhere.example", code=1)


def test_a_suppressed_address_gets_no_test(slot, cast):
    with writing() as session:
        suppressions.suppress(session, cast.charlie, "complaint", NOW)
    with pytest.raises(Refused, match="on the suppression list"):
        send(slot, cast.charlie)
    assert stored() == []


def test_the_audit_log_knows_the_address_by_mask_and_hash_and_not_in_clear(slot, cast):
    send(slot, cast.alice)
    with reading() as session:
        [entry] = session.query(AuditEntry)
        assert entry.action == "digest.test"
        assert entry.after == {"test_letter": 1, "to": "a…@r….example", "counted": True,
                               "address": addresses.hashes_of(cast.alice)[0][:12]}  # fmt: skip
        assert cast.alice not in str(vars(entry))


# ---- forgotten with the address ----------------------------------------------------------------------------------


def nowhere(address: str) -> bool:
    """Whether no table holds the address in clear."""
    assert len(TABLES.tables) > 20
    return address not in str(contents()).lower()


def answered(reply: str) -> None:
    with writing() as session:
        owed = session.query(Delivery).filter(Delivery.letter == "test").one()
        owed.state, owed.reply, owed.code = "failed", reply, 550


def test_an_address_that_only_ever_got_tests_can_be_erased(slot):
    send(slot, "Author@elsewhere.example")
    answered("550 5.1.1 <author@elsewhere.example>: unknown")
    assert "one test letter" in command("subscribers", "erase", "author@elsewhere.example", "--dry-run")
    assert not nowhere("author@elsewhere.example")
    assert "is erased" in command("subscribers", "erase", "author@elsewhere.example", "--yes", "--note", "by phone")
    assert nowhere("author@elsewhere.example")
    with reading() as session:
        assert suppressions.of_address(session, "author@elsewhere.example").reason == "erased"
        last = session.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
        assert (last.action, last.before, last.note) == ("people.erase", {"test_letters": 1}, "by phone")
    with pytest.raises(Refused, match="on the suppression list"):
        send(slot, "author@elsewhere.example")
    told = command("subscribers", "erase", "author@elsewhere.example", "--yes", code=1)
    assert "has never been a subscriber" in told


def test_whoever_reads_and_got_tests_is_erased_with_them(slot, cast):
    with writing() as session:
        imports.add_imported(session, {cast.bob: None}, "At the fair", "people.csv", NOW)
    send(slot, cast.bob)
    answered(f"550 5.1.1 <{cast.bob}>: unknown")
    command("subscribers", "erase", cast.bob, "--yes")
    assert stored() == []
    assert nowhere(cast.bob)
    with reading() as session:
        assert session.query(subscribers.Subscriber).one().state == "erased"


def test_the_test_that_was_still_waiting_is_not_sent_after_the_erasure(slot):
    send(slot, "author@elsewhere.example")
    send(slot, "editor@elsewhere.example")
    command("subscribers", "erase", "author@elsewhere.example", "--yes")
    send_slice.run_slice(time.monotonic() + 60)
    with reading() as session:
        owed = session.query(Delivery).filter(Delivery.letter == "test").order_by(Delivery.id)
        assert [(each.state, each.reason) for each in owed] == [
            ("skipped", "nobody there any more"), ("sent", None),
        ]  # fmt: skip


def test_a_test_that_waits_goes_to_nobody_who_was_suppressed_meanwhile_but_to_operators(slot, monkeypatch):
    operators.hash_quickly(monkeypatch)
    operators.put("dana@newsroom.example", "editor")
    for to in ("author@elsewhere.example", "dana@newsroom.example"):
        send(slot, to)
        with writing() as session:
            suppressions.suppress(session, to, "complaint", NOW)
    send_slice.run_slice(time.monotonic() + 60)
    with reading() as session:
        became = [(each.state, each.reason) for each in session.query(Delivery).order_by(Delivery.id)]
    assert became == [("skipped", "suppressed"), ("sent", None)]
