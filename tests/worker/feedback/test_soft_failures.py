"""What mailboxes refuse at once counts as what comes back later does, and operators hear of our faults."""

import pytest
from sqlalchemy import text

from db import rules
from db.feedback import feedback
from db.jobs.events import DigestFinished
from db.monitoring import alerts
from db.session import reading, writing
from tests.bouncing import apart, suppressed
from tests.hearing import BLAMED, FULL, SPAM, SWITCHED_OFF, all_sent, came_back, hear, sent
from worker.alerts.alerts import watch
from worker.feedback import soft_failures

pytestmark = pytest.mark.usefixtures("database")


def refused(number: int, reason: str, reply: str) -> None:
    with writing() as session:
        session.execute(
            text(
                "UPDATE deliveries SET state = 'failed', reason = :reason, code = :code, reply = :reply WHERE id = :id"
            ),
            {"reason": reason, "code": int(reply[:3]), "reply": reply, "id": number},
        )


def titles() -> set[str]:
    watch()
    with reading() as session:
        return {alert.title for alert in alerts.standing(session)}


def test_once_a_digest_has_finished_its_full_mailboxes_are_counted_and_nobody_elses(clock):
    made = all_sent(clock, apart(5), finished=True)
    refused(1, "refused at rcpt", "552 5.2.2 mailbox full")
    refused(2, "given up, deferred at rcpt", "452 4.2.2 over quota")
    refused(3, "refused at dot", "554 5.6.0 bad content")
    refused(4, "refused at rcpt", "550 5.1.1 no such user")
    for _ in range(2):
        soft_failures.count_soft_failures(DigestFinished(made))
    assert [[each.kind for each in came_back(f"subscriber:{n}")] for n in range(1, 6)] == [
        ["soft"],
        ["soft"],
        [],
        [],
        [],
    ]
    assert suppressed() == []


@pytest.mark.once
@pytest.mark.parametrize(("became", "reasons"), [("failed", ["repeated soft bounce"]), ("sent", [])])
def test_refused_at_once_and_come_back_later_count_together_unless_a_retry_arrived(clock, cast, became, reasons):
    made = all_sent(clock, [cast.alice], finished=True)
    refused(1, "refused at rcpt", "552 5.2.2 mailbox full")
    soft_failures.count_soft_failures(DigestFinished(made))
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = :became"), {"became": became})
    for about in (made + 1, made + 2):
        clock.forward(days=8)
        hear(clock, sent(clock, about), FULL, event=about)
    assert [each.reason for each in suppressed()] == reasons


@pytest.mark.once
def test_a_mailbox_that_is_switched_off_counts_as_gone_at_the_second_digest_that_was_refused(clock, cast):
    made = all_sent(clock, [cast.alice], finished=True)
    refused(1, "refused at rcpt", "550 5.2.1 The email account that you tried to reach is disabled")
    soft_failures.count_soft_failures(DigestFinished(made))
    assert suppressed() == []
    clock.forward(days=7)
    hear(clock, sent(clock, made + 1), SWITCHED_OFF, event=2)
    assert [each.reason for each in suppressed()] == ["hard bounce"]


@pytest.mark.once
def test_operators_hear_when_mail_servers_blame_us(clock):
    all_sent(clock, apart(120))
    assert titles() == set()
    hear(clock, 3, BLAMED)
    assert titles() == {"1 letter of 2026-W47 came back, and we are blamed"}
    clock.forward(days=1, minutes=1)
    assert not [title for title in titles() if "blamed" in title]


@pytest.mark.once
def test_operators_hear_of_complaints_about_a_digest_that_has_ended(clock):
    all_sent(clock, apart(40), finished=True)
    for number in (1, 2, 3):
        hear(clock, number, SPAM, event=number)
    assert "3 readers call digest 2026-W47 spam" in titles()


def test_what_came_back_is_kept_as_long_as_letters(clock):
    all_sent(clock, apart(2))
    hear(clock, 1, FULL)
    clock.forward(days=rules.kept("feedback").days)
    with writing() as session:
        assert feedback.any_old(session, clock.now)
        assert feedback.remove(session, clock.now, 10) == 1
    assert came_back() == []
