"""Messages to webhooks: signed as Standard Webhooks describe, tried again with the same id, given up after a day."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import standardwebhooks
from sqlalchemy import select

from db import moments
from db.jobs.jobs import Job
from db.monitoring import alerts
from db.operators.audit import AuditEntry
from db.session import reading, writing
from db.webhooks import messages
from tests import hooks
from tests.receivers import answering, hanging, receiving, sending
from web.actions import jobs as job_actions
from web.actions import webhooks as actions
from worker.alerts.alerts import watch
from worker.outside import http_client
from worker.webhooks import posting

pytestmark = [pytest.mark.usefixtures("database", "clock")]


@pytest.fixture(autouse=True)
def loopback(setting):
    setting(OUTSIDE_NETWORKS="127.0.0.0/8")


def send_test(number: int) -> None:
    actions.send_test(hooks.ADA, number, moments.now())


def job_of(number: int) -> Job:
    """The job of its newest message."""
    with reading() as session:
        job = session.get_one(Job, hooks.sent(number)[-1].message.job_id)
        list(job.attempts)
        return job


def audited() -> list[tuple[str, str, str | None]]:
    with reading() as session:
        rows = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(each.actor, each.action, each.note) for each in rows]


# ---- the message -------------------------------------------------------------------------------------------------


def test_their_own_library_verifies_a_message():
    with receiving(answering()) as receiver:
        made = hooks.add(receiver.url())
        send_test(made.number)
        hooks.post_all()
        [heard] = hooks.heard(receiver)
    verified = standardwebhooks.Webhook(made.secret).verify(heard.body, heard.headers)
    assert verified == {
        "type": "webhook.test",
        "timestamp": "2026-11-17T08:00:00Z",
        "data": {"site": "Weekly AI Tool Verdicts"},
    }
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(made.secret).verify(heard.body.replace(b"Verdicts", b"Verdict5"), heard.headers)
    [sent] = hooks.sent(made.number)
    assert (sent.state, sent.message.status, sent.message.error) == ("delivered", 204, None)


def test_for_a_day_the_old_secret_signs_beside_a_new_one(clock):
    def may_verify(made) -> bool:
        try:
            standardwebhooks.Webhook(made.secret).verify(newest.body, newest.headers)
        except standardwebhooks.WebhookVerificationError:
            return False
        return True

    with receiving(answering()) as receiver:
        old = hooks.add(receiver.url())
        new = actions.renew_secret(hooks.ADA, old.number, moments.now())
        clock.forward(hours=23, minutes=59)
        send_test(old.number)
        hooks.post_all()
        newest = hooks.heard(receiver)[-1]
        assert (may_verify(old), may_verify(new)) == (True, True)
        clock.forward(minutes=1)
        send_test(old.number)
        hooks.post_all()
        newest = hooks.heard(receiver)[-1]
        assert (may_verify(old), may_verify(new)) == (False, True)


def test_a_chat_gets_one_sentence_that_calls_nobody():
    with receiving(answering("200 OK", body=b"ok")) as receiver:
        made = hooks.add(receiver.url(), form="chat")
        told = messages.Told("alert.opened", moments.now(), {}, "Alert: <!channel> @everyone & Ada")
        with writing() as session:
            messages.tell(session, hooks.look(made.number), told, moments.now())
        hooks.post_all()
        [heard] = hooks.heard(receiver)
    assert heard.json == {"text": "Alert: ‹!channel› @\u200beveryone & Ada"}


# ---- failures ----------------------------------------------------------------------------------------------------


def test_a_server_that_was_down_gets_the_same_message_later(clock):
    answers = [answering("500 Internal Server Error"), answering()]
    with receiving(lambda connection, receiver: answers.pop(0)(connection, receiver)) as receiver:
        made = hooks.add(receiver.url())
        send_test(made.number)
        hooks.post_all()
        [sent] = hooks.sent(made.number)
        assert (sent.state, sent.message.status) == ("waiting", 500)
        assert sent.message.error == "127.0.0.1 answered 500 (Internal Server Error)."
        assert hooks.look(made.number).failing_since == moments.now()
        hooks.post_all()
        assert len(receiver.heard) == 1  # it waits for its back-off
        clock.forward(seconds=40)
        hooks.post_all()
        first, second = hooks.heard(receiver)
    assert (second.headers["webhook-id"], second.body) == (first.headers["webhook-id"], first.body)
    assert int(second.headers["webhook-timestamp"]) == int(first.headers["webhook-timestamp"]) + 40
    assert hooks.sent(made.number)[0].state == "delivered"
    assert hooks.look(made.number).failing_since is None


@pytest.mark.once
@pytest.mark.parametrize(
    ("script", "told"),
    [
        (answering("302 Found", "Location: http://169.254.169.254/latest\r\n"), "redirects to 169.254.169.254 (302)"),
        (answering("404 Not Found"), "answered 404 (Not Found)"),
        (sending(b"HTTP/1.1 599 Odd\r\n\r\n"), "answered 599."),
        (sending(b"SSH-2.0-OpenSSH_9.9\r\n"), "sent no HTTP answer"),
        (hanging, "took"),
    ],
)
def test_what_a_server_did_is_told_in_a_sentence(script, told, monkeypatch):
    monkeypatch.setattr(http_client, "SECONDS", 0.5)
    monkeypatch.setattr(posting.http_client, "post", lambda *given: http_client.request("POST", *given, 0.5))
    with receiving(script) as receiver:
        made = hooks.add(receiver.url(path="/services/T0/secret"))
        send_test(made.number)
        hooks.post_all()
        assert len(receiver.heard) == 1
    [sent] = hooks.sent(made.number)
    assert sent.state == "waiting"
    assert told in sent.message.error
    assert "secret" not in sent.message.error + (job_of(made.number).said or "")


@pytest.mark.once
def test_ten_megabytes_of_answer_are_not_read():
    body = b"x" * 10_000_000
    with receiving(answering("200 OK", body=body)) as receiver:
        made = hooks.add(receiver.url())
        send_test(made.number)
        hooks.post_all()
    assert hooks.sent(made.number)[0].state == "delivered"  # its status is the server's word


@pytest.mark.once
def test_a_url_that_leads_into_our_own_network_gets_nothing(setting):
    with receiving(answering()) as receiver:
        setting(OUTSIDE_NETWORKS="")
        made = hooks.add(receiver.url())
        send_test(made.number)
        hooks.post_all()
        assert receiver.heard == []
    assert "OUTSIDE_NETWORKS" in hooks.sent(made.number)[0].message.error


@pytest.mark.once
@pytest.mark.parametrize(
    ("written", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("0", timedelta(0)),
        ("999999999999", timedelta(hours=6)),
        ("Tue, 17 Nov 2026 08:30:00 GMT", timedelta(minutes=30)),
        ("Tue, 17 Nov 2026 07:30:00 GMT", timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(hours=6)),
        ("Tue, 17 Nov 2026 08:30:00", None),
        ("soon", None),
        ("-5", None),
        ("١٢", None),
        ("", None),
    ],
)
def test_retry_after_is_read_within_reason(written, wait):
    assert posting.named_wait(written, datetime(2026, 11, 17, 8, tzinfo=UTC)) == wait


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_server_is_left_alone_for_as_long_as_it_asks(status, clock):
    with receiving(answering(status, "Retry-After: 3600\r\n")) as receiver:
        made = hooks.add(receiver.url())
        send_test(made.number)
        hooks.post_all()
        assert job_of(made.number).run_after == moments.now() + timedelta(hours=1)


def test_a_server_that_is_gone_is_told_nothing_more():
    with receiving(answering("410 Gone")) as receiver:
        made = hooks.add(receiver.url())
        send_test(made.number)
        send_test(made.number)
        hooks.post_all()
        assert len(receiver.heard) == 1
    found = hooks.look(made.number)
    assert (found.disabled_at, found.ended_by) == (moments.now(), "gone")
    assert [each.state for each in hooks.sent(made.number)] == ["left out", "left out"]
    assert audited()[-1] == ("outside", "webhooks.disable", "127.0.0.1 answered 410 (Gone). It asks for nothing more.")


def test_after_a_day_of_failures_a_webhook_is_disabled_and_operators_are_told(clock):
    with receiving(answering("502 Bad Gateway")) as receiver:
        made = hooks.add(receiver.url())
        send_test(made.number)
        began, tries = moments.now(), []
        while not hooks.look(made.number).disabled_at:
            hooks.post_all()
            tries.append(moments.now() - began)
            clock.set(max(moments.now() + timedelta(seconds=1), job_of(made.number).run_after))
            assert moments.now() < began + timedelta(hours=30)
        assert timedelta(hours=23, minutes=59) < tries[-1] <= timedelta(hours=27)
        assert max(b - a for a, b in pairwise(tries)) <= timedelta(hours=2, minutes=1)
        assert len({heard.headers["webhook-id"] for heard in hooks.heard(receiver)}) == 1
    found = hooks.look(made.number)
    assert found.reason == "It has failed for a day. 127.0.0.1 answered 502 (Bad Gateway)."
    assert audited()[-1][:2] == ("outside", "webhooks.disable")
    watch(moments.now())
    with reading() as session:
        [alert] = [each for each in alerts.standing(session) if each.kind == "webhook"]
    assert alert.title == f"Webhook {made.number} ({found.origin}) is disabled"
    job = job_of(made.number)
    assert (job.state, job.note) == ("discarded", f"webhook {made.number} is disabled")

    actions.enable(hooks.ADA, made.number, moments.now())
    watch(moments.now())
    with reading() as session:
        assert not [each for each in alerts.standing(session) if each.kind == "webhook"]


def test_one_success_within_the_day_keeps_a_webhook(clock):
    answers = ["500 Oops"]
    with receiving(lambda connection, receiver: answering(answers[0])(connection, receiver)) as receiver:
        made = hooks.add(receiver.url())
        for _ in range(5):
            answers[0] = "500 Oops"
            send_test(made.number)
            hooks.post_all()
            clock.forward(hours=10)
            answers[0] = "200 OK"
            hooks.post_all()
            assert hooks.look(made.number).failing_since is None
    assert hooks.look(made.number).disabled_at is None


def test_what_was_left_out_can_be_sent_after_all():
    with receiving(answering()) as receiver:
        made = hooks.add(receiver.url())
        send_test(made.number)
        actions.disable(hooks.ADA, made.number, "they move house", moments.now())
        hooks.post_all()
        assert receiver.heard == []
        job = job_of(made.number)
        assert (job.state, job.note) == ("discarded", f"webhook {made.number} is disabled")
        actions.enable(hooks.ADA, made.number, moments.now())
        job_actions.restore(hooks.ADA, [job.id], moments.now())
        job_actions.retry(hooks.ADA, [job.id], moments.now())
        hooks.post_all()
        assert len(receiver.heard) == 1
    assert hooks.sent(made.number)[0].state == "delivered"


def test_a_message_to_a_webhook_that_was_removed_is_left_out():
    with receiving(answering()) as receiver:
        made = hooks.add(receiver.url())
        send_test(made.number)
        number = job_of(made.number).id
        actions.remove(hooks.ADA, made.number, moments.now())
        hooks.post_all()
        assert receiver.heard == []
    with reading() as session:
        job = session.get_one(Job, number)
        assert (job.state, job.note) == ("discarded", "the webhook was removed")


@pytest.mark.once
def test_a_new_key_before_the_old_one_changes_nothing(setting):
    with receiving(answering()) as receiver:
        made = hooks.add(receiver.url())
        setting(SECRET_KEY="a newer key,a key for tests")
        send_test(made.number)
        hooks.post_all()
        [heard] = hooks.heard(receiver)
    standardwebhooks.Webhook(made.secret).verify(heard.body, heard.headers)


@pytest.mark.once
def test_after_a_new_secret_the_key_of_before_may_go(setting):
    with receiving(answering()) as receiver:
        made = hooks.add(receiver.url())
        setting(SECRET_KEY="a newer key,a key for tests")
        new = actions.renew_secret(hooks.ADA, made.number, moments.now())
        setting(SECRET_KEY="a newer key")
        send_test(made.number)
        hooks.post_all()
        [heard] = hooks.heard(receiver)
    standardwebhooks.Webhook(new.secret).verify(heard.body, heard.headers)


@pytest.mark.once
def test_a_lost_key_is_told_and_nothing_is_posted(setting):
    with receiving(answering()) as receiver:
        made = hooks.add(receiver.url())
        setting(SECRET_KEY="another key")
        send_test(made.number)
        hooks.post_all()
        assert receiver.heard == []
    assert "SECRET_KEY" in hooks.sent(made.number)[0].message.error


@pytest.mark.once
def test_no_secret_and_no_whole_url_is_kept_where_it_can_be_read(house, capsys):
    with receiving(answering("500 Oops", body=b"Cannot POST /services/T0/s3cr3tpath")) as receiver:
        made = hooks.add(receiver.url(path="/services/T0/s3cr3tpath"))
        send_test(made.number)
        hooks.post_all()
    raw = b"".join(path.read_bytes() for path in house.glob("verdicts.sqlite3*"))
    said = capsys.readouterr()
    for hidden in (made.secret.removeprefix("whsec_"), "s3cr3tpath"):
        assert hidden.encode() not in raw
        assert hidden not in said.out + said.err
