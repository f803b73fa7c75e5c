"""What comes back after a letter is handled once, and only where something proves that the letter is ours."""

import json
from quopri import encodestring

import pytest
from sqlalchemy import text

from db import moments
from db.deliveries import tests_of_address
from db.feedback import events
from db.session import reading, writing
from db.settings import settings
from db.subscribers import suppressions
from emails import links
from tests import returned
from tests.erasing import DANA
from tests.returned import bounce, hear, state_of, suppressed
from tests.transports import digest
from web.actions.subscribers import subscribers as actions
from worker.people import erasure, forgetting

ALICE, BOB = "reader-1@reader.example", "reader-2@reader.example"


@pytest.fixture(autouse=True)
def sent(database, clock) -> int:
    """A digest to Alice and to Bob."""
    made = digest(clock, 2)
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sent'"))
    return made


def test_a_mailbox_that_is_gone_is_suppressed_and_nobody_else():
    hear(bounce(returned.verp(ALICE), ALICE))
    assert suppressed() == {ALICE: "hard bounce"}
    [event] = returned.kept()
    assert event.handled_at is not None
    assert event.person == returned.delivery_to(ALICE)[1]


def test_the_letter_says_who_is_meant_whatever_address_the_report_names():
    hear(bounce(returned.verp(ALICE), "alice@forwarded.example"))
    assert suppressed() == {ALICE: "hard bounce"}


@pytest.mark.once
@pytest.mark.parametrize("token", ["0123456789" * 4, links.sign([b"another site's"], "bounce", 1, 1)])
def test_a_bounce_that_somebody_made_up_harms_nobody(token):
    hear(bounce(token, ALICE))
    assert suppressed() == {}


def test_a_redacted_complaint_is_found_by_the_message_id():
    hear(returned.complaint(returned.message_id(BOB)))
    assert suppressed() == {BOB: "complaint"}


@pytest.mark.once
def test_vacations_answers_delays_and_reports_that_are_no_complaint_change_nothing():
    for number, mail in enumerate((
        returned.vacation(returned.verp(ALICE), ALICE),
        returned.answer(returned.message_id(ALICE), ALICE),
        bounce(returned.verp(ALICE), ALICE, "450 4.2.2 <{}>: mailbox full", "delayed"),
        returned.complaint(returned.message_id(ALICE), "not-spam"),
        returned.complaint(returned.message_id(ALICE), "auth-failure"),
    )):  # fmt: skip
        hear(mail, key=str(number))
    assert suppressed() == {}
    assert state_of(ALICE) == "active"


def test_a_mail_with_the_token_as_its_subject_unsubscribes_at_once():
    hear(returned.leave(returned.leaving(ALICE), "somebody@else.example"))
    assert (state_of(ALICE), state_of(BOB)) == ("unsubscribed", "active")
    with reading() as session:
        [source] = session.scalars(text("SELECT source FROM consents WHERE what = 'withdrawn'"))
        kinds = set(session.scalars(text("SELECT kind FROM jobs WHERE kind = 'SubscriptionEnded'")))
    assert (source, kinds) == ("mail", {"SubscriptionEnded"})


@pytest.mark.once
def test_a_mail_without_our_token_unsubscribes_nobody():
    for number, subject in enumerate(("unsubscribe", "A" * 40, links.sign(settings().keys, "vote", 1, 1))):
        hear(returned.leave(subject, ALICE), key=str(number))
    assert state_of(ALICE) == "active"


def test_a_replay_is_not_even_stored():
    mail = bounce(returned.verp(ALICE), ALICE)
    assert hear(mail) is not None
    assert hear(mail) is None
    assert len(returned.kept()) == 1


def test_an_event_whose_worker_died_before_the_end_is_handled_once(monkeypatch):
    calls = []
    monkeypatch.setattr("worker.feedback.handling.consequences.apply", lambda *given: calls.append(given))
    number = hear(bounce(returned.verp(ALICE), ALICE))
    with writing() as session:
        session.execute(text("UPDATE jobs SET state = 'pending' WHERE kind = 'FeedbackReceived'"))
    returned.work()
    assert len(calls) == 1
    assert returned.kept()[0].id == number


def test_what_came_in_is_kept_for_thirty_days(clock):
    hear(bounce(returned.verp(ALICE), ALICE))
    clock.forward(days=29)
    forgetting.forget()
    assert len(returned.kept()) == 1
    clock.forward(days=2)
    forgetting.forget()
    assert returned.kept() == []


# ---- erasing ---------------------------------------------------------------------------------------------------


def erase(address: str) -> None:
    actions.erase_address(DANA, address, moments.now(), "She asked")
    returned.work()


def test_erasing_takes_the_events_about_her_letters_and_those_that_quote_her_however_they_are_encoded():
    hers = bounce(returned.verp(ALICE), "elsewhere@forwarded.example")
    quoting = (
        bounce(returned.verp(BOB), BOB) + f"who is {ALICE}?".encode(),
        b"Content-Transfer-Encoding: quoted-printable\n\n" + b"reader-1@rea=\nder.example",
        b"Content-Transfer-Encoding: quoted-printable\n\n" + encodestring(ALICE.replace("@", "\x01").encode())
        .replace(b"=01", b"=40"),
        returned.in_base64(b"To: " + ALICE.encode()),
        returned.in_base64(returned.in_base64(b"To: " + ALICE.encode())),
        json.dumps({"Message": json.dumps({"to": ALICE}).replace("@", "\\u0040")}).encode(),
        b"To: =?utf-8?q?reader-1?= =?utf-8?b?QHJlYWRlci5leGFtcGxl?=\n\n",
        f"<b>reader-1</b>&#64;<wbr>{BOB.partition('@')[2]}".encode(),
        b"\xff\xfe" + ALICE.encode("utf-16-le"),
        returned.in_base64(b"x" * 300_000 + b" " + ALICE.encode()),
    )  # fmt: skip
    for number, mail in enumerate((hers, *quoting)):
        hear(mail, key=str(number))
    other = hear(bounce(returned.verp(BOB), BOB), key="bob's own")
    erase(ALICE)
    assert [each.id for each in returned.kept()] == [other]


@pytest.mark.once
def test_a_bounce_that_comes_after_she_was_erased_leaves_no_bytes():
    late = bounce(returned.verp(ALICE), ALICE), returned.leave(returned.leaving(ALICE), ALICE)
    erase(ALICE)
    for number, mail in enumerate(late):
        hear(mail, key=str(number))
    assert [each.raw for each in returned.kept()] == [b"", b""]


@pytest.mark.once
def test_a_provider_that_names_an_erased_address_alone_leaves_no_bytes_either():
    erase(ALICE)
    for number, kind in enumerate(("hard", "complaint", "unsubscribe")):
        hear(json.dumps({"kind": kind, "recipient": ALICE.upper()}).encode(), "generic", str(number))
    hear(json.dumps({"kind": "hard", "recipient": BOB}).encode(), "generic", "bob")
    assert [each.raw == b"" for each in returned.kept()] == [True, True, True, False]
    assert suppressed() == {BOB: "hard bounce"}


@pytest.mark.once
def test_a_bounce_of_a_test_letter_leaves_no_bytes_once_its_address_was_erased(cast):
    with writing() as session:
        session.execute(
            text("UPDATE deliveries SET letter = 'test', person = :person WHERE person = :was"),
            {"person": tests_of_address.person_of(cast.charlie), "was": returned.delivery_to(BOB)[1]},
        )
        suppressions.suppress(session, cast.charlie, "erased", moments.now())
        [number] = session.scalars(text("SELECT id FROM deliveries WHERE letter = 'test'"))
    hear(bounce(links.sign(settings().keys, "bounce", 0, number), cast.charlie))
    assert [each.raw for each in returned.kept()] == [b""]


@pytest.mark.once
def test_more_events_than_are_read_at_once_are_all_searched(monkeypatch):
    monkeypatch.setattr(erasure, "PAGE", 1)
    for number in range(3):
        hear(f"hello {ALICE} {number}".encode(), key=str(number))
    erase(ALICE)
    assert returned.kept() == []


# ---- from webhooks ---------------------------------------------------------------------------------------------


def test_whoever_proved_to_be_our_relay_may_name_an_address_alone():
    hear(json.dumps({"kind": "hard", "recipient": ALICE.upper(), "diagnostic": "550 5.1.1 gone"}).encode(), "generic")
    hear(json.dumps({"kind": "unsubscribe", "recipient": BOB}).encode(), "generic", "2")
    assert suppressed() == {ALICE: "hard bounce"}
    assert state_of(BOB) == "unsubscribed"


@pytest.mark.once
def test_an_event_that_cannot_be_read_is_a_failed_job_for_a_person():
    hear(b"{", "generic")
    assert suppressed() == {}
    with reading() as session:
        assert session.scalar(text("SELECT error FROM jobs WHERE kind = 'FeedbackReceived'")) == "BadForm"
        assert events.is_handled(session, "generic", "1") is False


@pytest.mark.once
@pytest.mark.parametrize(
    "raw", [b"@" * 600, b"=40" * 300, b"a@b.c " * 300, (b"=/" * 100 + b"@a.b.c.d ") * 3,
            b"=?utf-8?q?a?= " * 500, b"<a " * 3_000],
)  # fmt: skip
def test_a_hostile_mail_is_searched_for_a_limited_time_and_then_deleted(raw, monkeypatch):
    monkeypatch.setattr(erasure, "SEARCHED_FOR", 0.0)
    assert erasure.quotes(raw + f" {ALICE}".encode(), lambda key: key == ALICE)
    monkeypatch.setattr(erasure, "SEARCHED_FOR", 60.0)
    assert erasure.quotes(raw + f" {ALICE}".encode(), lambda key: key == ALICE)
    assert not erasure.quotes(b"nobody@reader.example", lambda key: key == ALICE)
