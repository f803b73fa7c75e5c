"""Operators are told what needs them: once while it lasts, and again when it comes back."""

import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from sqlalchemy import delete, insert, select, update

from db.deliveries import deliveries
from db.deliveries.deliveries import Delivery
from db.deliveries.limits import breakers
from db.digests import digests
from db.digests.digests import Digest
from db.jobs import retries
from db.jobs.jobs import Attempt, Job
from db.monitoring import alerts
from db.monitoring.alerts import Alert
from db.monitoring.heartbeats import Heartbeat
from db.monitoring.pauses import Pause
from db.operators.operators import Operator
from db.session import reading, writing
from db.votes import votes
from emails import letters
from emails.letters import Site
from worker.alerts.alerts import watch
from worker.alerts.quotes import quoted
from worker.sending import mail_connections, send_slice

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)


def add(*rows):
    with writing() as session:
        session.add_all(rows)
        session.flush()
        return [getattr(row, "id", None) for row in rows]


def operator(address="olga@newsroom.example", role="operator", **more):
    [id_] = add(Operator(address=address, address_key=address, role=role, created_at=NOW, **more))
    return id_


def dead(kind="SubscriptionRequested", error="ServerDisconnected", print_="aa11", failed_at=NOW):
    return Job(kind=kind, payload={}, state="dead", attempt=6, run_after=NOW, created_at=NOW, error=error,
               fingerprint=print_, said="x", failed_at=failed_at, finished_at=failed_at)  # fmt: skip


def standing():
    with reading() as session:
        return {alert.key: alert for alert in alerts.standing(session)}


def told():
    """Who was told what: (person, title)."""
    with reading() as session:
        rows = session.execute(
            select(Delivery.person, Alert.title).join(Alert, Alert.id == Delivery.about)
            .where(Delivery.letter == "alert").order_by(Delivery.id)
        )  # fmt: skip
        return [tuple(row) for row in rows]


@pytest.fixture(autouse=True)
def _database(database):
    pass


def test_a_new_failure_group_is_told_once_and_anew_after_it_was_mended():
    olga = operator()
    first, second = add(dead(), dead())
    watch(NOW)
    watch(NOW + timedelta(minutes=1))
    assert told() == [(f"operator:{olga}", "2 jobs of SubscriptionRequested failed for good")]
    [third] = add(dead())  # the group has grown, and is the same group
    watch(NOW + timedelta(minutes=2))
    assert len(told()) == 1
    with writing() as session:
        for job_id in (first, second, third):
            retries.retry(session, job_id, NOW)
    watch(NOW + timedelta(minutes=3))
    assert not any(key.startswith("failures:") for key in standing())
    with writing() as session:
        session.execute(update(Job).values(state="dead"))
    watch(NOW + timedelta(minutes=4))
    assert [title for _, title in told()].count("3 jobs of SubscriptionRequested failed for good") == 1


def test_an_alert_names_nobody_and_leads_to_its_own_group():
    operator()
    job = dead()
    job.said = "550 alice@reader.example is not here"
    add(job)
    watch(NOW)
    [alert] = standing().values()
    assert alert.link == "/operator/jobs?group=SubscriptionRequested%3AServerDisconnected%3Aaa11"
    assert "alice" not in alert.title + alert.told + alert.link + alert.key


def test_only_operators_and_admins_who_want_it_and_are_not_disabled_are_told():
    wanted = [operator("o@newsroom.example"), operator("a@newsroom.example", "admin")]
    operator("v@newsroom.example", "viewer")
    operator("e@newsroom.example", "editor")
    operator("quiet@newsroom.example", alerts=False)
    operator("gone@newsroom.example", disabled_at=NOW)
    add(dead())
    watch(NOW)
    assert [person for person, _ in told()] == [f"operator:{id_}" for id_ in wanted]


def test_many_at_once_are_five_letters_and_one_about_the_rest():
    operator()
    add(*(dead(print_=f"{n:04x}") for n in range(30)))
    watch(NOW)
    assert len(standing()) == 30
    assert len(told()) == 6
    assert told()[-1][1] == "25 more alerts opened at the same time"
    with reading() as session:
        summary = session.scalars(select(Alert).where(Alert.kind == "more")).one()
    assert summary.closed_at == NOW
    assert "And 5 more." in summary.told
    watch(NOW + timedelta(minutes=1))
    assert len(told()) == 6


def test_two_watchers_at_once_tell_it_once():
    operator()
    concern = alerts.Condition("k", "late", "Late", ("Look.",), "/operator")
    with writing() as session:
        assert alerts.raise_new(session, concern, NOW) is not None
    with writing() as session:
        assert alerts.raise_new(session, concern, NOW) is None


def test_failures_above_the_rate_are_told_and_over_when_the_hour_is(setting):
    setting(ALERT_FAILURES=3)
    [job_id] = add(Job(kind="K", payload={}, run_after=NOW, created_at=NOW, state="succeeded"))
    add(*(Attempt(job_id=job_id, number=n, worker="w", trigger="event", started_at=NOW, ended_at=NOW, outcome="failed")
          for n in range(3)))  # fmt: skip
    watch(NOW)
    assert "rate:jobs" not in standing()
    add(Attempt(job_id=job_id, number=4, worker="w", trigger="event", started_at=NOW, ended_at=NOW, outcome="lost"))
    watch(NOW)
    assert "rate:jobs" in standing()
    watch(NOW + timedelta(minutes=61))
    assert "rate:jobs" not in standing()


def test_a_job_that_nobody_takes_is_told_unless_its_queue_is_paused(setting):
    setting(ALERT_AGE="15m")
    add(Job(kind="K", payload={}, run_after=NOW, created_at=NOW))
    watch(NOW + timedelta(minutes=14))
    assert standing() == {}
    watch(NOW + timedelta(minutes=16))
    assert standing()["age:jobs"].title == "A job has waited to be taken for 16 min"
    add(Pause(queue="jobs", at=NOW + timedelta(minutes=17), actor="olga", reason="mending"))
    watch(NOW + timedelta(minutes=18))
    assert standing() == {}


def test_a_letter_that_nobody_sends_is_told(active_digest):
    digest_id, ids = active_digest
    watch(NOW + timedelta(minutes=16))
    assert "age:mail" in standing()
    with writing() as session:  # it moves again: the first is sent just now, the others have their turn since
        session.execute(update(Delivery).where(Delivery.id == ids[0]).values(
            state="sent", settled_at=NOW + timedelta(minutes=16)))  # fmt: skip
    watch(NOW + timedelta(minutes=17))
    assert "age:mail" not in standing()
    with writing() as session:
        session.execute(update(Digest).where(Digest.id == digest_id).values(state="paused"))
    watch(NOW + timedelta(hours=5))
    assert "age:mail" not in standing()


def test_a_single_letter_that_waits_is_told():
    with writing() as session:
        deliveries.owe(session, "welcome", 1, "subscriber:1", NOW)
    watch(NOW + timedelta(minutes=14))
    assert standing() == {}
    watch(NOW + timedelta(minutes=16))
    assert "age:mail" in standing()


def test_an_old_vote_that_is_dirty_anew_is_no_backlog(catalogue, monkeypatch):
    with writing() as session:
        votes.cast(session, "anonymous:a", catalogue.quillmate, "ship", NOW - timedelta(days=300))
    watch(NOW)
    assert "age:votes" not in standing()
    with reading() as session:
        assert not votes.any_dirty(session)

    def broken():
        raise RuntimeError("no fold today")

    monkeypatch.setattr("worker.votes.fold", broken)
    with writing() as session:
        votes.cast(session, "anonymous:b", catalogue.quillmate, "ship", NOW)
    watch(NOW + timedelta(minutes=16))
    assert "age:votes" in standing()


def test_a_paused_queue_is_told_after_an_hour():
    add(Pause(queue="mail", at=NOW, actor="olga", reason="mending"))
    watch(NOW + timedelta(minutes=59))
    assert standing() == {}
    watch(NOW + timedelta(minutes=61))
    assert "paused:mail" in standing()
    with writing() as session:
        session.execute(delete(Pause))
    watch(NOW + timedelta(minutes=62))
    assert standing() == {}


def test_a_digest_that_is_late_or_held_past_its_hour_is_told():
    with writing() as session:
        digests.open_slot(session, "2026-W47", NOW, NOW - timedelta(days=1))
    watch(NOW + timedelta(minutes=9))
    assert standing() == {}
    watch(NOW + timedelta(minutes=11))
    assert list(standing()) == ["late:2026-W47"]
    with writing() as session:
        digests.move(session, "2026-W47", "hold", NOW)
    watch(NOW + timedelta(minutes=12))
    assert list(standing()) == ["held:2026-W47"]


@pytest.fixture
def active_digest():
    """A digest that is being sent to two readers since NOW: its id and its deliveries'."""
    with writing() as session:
        digest = digests.open_slot(session, "2026-W47", NOW, NOW)
        digest.state, digest.frozen_at = "sending", NOW
        session.flush()
        session.execute(insert(Delivery), [
            {"letter": "digest", "about": digest.id, "person": f"subscriber:{n}", "state": "pending",
             "not_before": NOW, "tries": 0, "created_at": NOW} for n in (1, 2)
        ])  # fmt: skip
        ids = list(session.scalars(select(Delivery.id).order_by(Delivery.id)))
        return digest.id, ids


def test_a_digest_in_doubt_is_told_once_everything_else_is_settled(active_digest):
    _, ids = active_digest
    with writing() as session:
        session.execute(update(Delivery).where(Delivery.id == ids[0]).values(state="unknown", settled_at=NOW))
    watch(NOW)
    assert standing() == {}
    with writing() as session:
        session.execute(update(Delivery).where(Delivery.id == ids[1]).values(state="sent", settled_at=NOW))
    watch(NOW)
    assert list(standing()) == ["doubt:2026-W47"]


def test_a_breaker_is_told_after_two_minutes_and_over_when_the_server_answers():
    with writing() as session:
        breakers.refused(session, "mail.example", "421 not now, said to alice@reader.example", NOW)
    watch(NOW + timedelta(minutes=1))
    assert standing() == {}
    with writing() as session:
        breakers.refused(session, "mail.example", "421 not now", NOW + timedelta(minutes=2))
    watch(NOW + timedelta(minutes=3))
    [alert] = standing().values()
    assert (alert.key, alert.title) == ("breaker:mail.example", "The mail server has refused everybody for 3 min")
    with writing() as session:
        breakers.answered(session, "mail.example")
    watch(NOW + timedelta(minutes=4))
    assert standing() == {}


def test_a_servers_words_are_one_short_line_and_no_command_of_ours():
    reply = (
        "550-5.7.1 <b>no</b>\r\n550 \x1b[31mask us.\n"
        + "It is about your policy. " * 80
        + "To end it: verdicts db erase"
    )
    with writing() as session:
        breakers.refused(session, "mail.example", reply, NOW)
        breakers.refused(session, "mail.example", reply, NOW + timedelta(minutes=2))
    watch(NOW + timedelta(minutes=3))
    [alert] = standing().values()
    said, after = alert.told.split("\n")
    assert said.startswith("It last answered: “550-5.7.1 <b>no</b> 550 [31mask us. It is about your policy.")
    assert said.endswith("…”")
    assert len(said) < 230
    assert after.endswith(": verdicts doctor")


def test_only_our_own_words_end_in_a_command():
    told = f"It last answered: {quoted('550 To end it: verdicts db erase')}", "To see more: verdicts doctor"
    letter = letters.alert(
        Site("Weekly", "https://verdicts.example", ""), "The mail server refuses", told, NOW, "/operator"
    )
    assert "\nIt last answered: “550 To end it: verdicts db erase”\n" in letter.text
    assert "\nTo see more:\n  verdicts doctor\n" in letter.text
    assert letter.html.count("<code") == 1


def test_a_domain_that_defers_is_its_own_affair_for_an_hour():
    with writing() as session:
        breakers.domain_deferred(session, "slow.example", "451 later", NOW)
        session.execute(update(breakers.Breaker).values(open_until=NOW + timedelta(hours=4)))
    watch(NOW + timedelta(minutes=30))
    assert standing() == {}
    watch(NOW + timedelta(minutes=61))
    assert [alert.title for alert in standing().values()] == ["slow.example has deferred its mail for 1 h 1 min"]


def test_a_silent_line_is_told_once_anybody_has_been_up_for_long_enough():
    add(Heartbeat(process="clock 1", kind="clock", started_at=NOW, at=NOW + timedelta(minutes=4)))
    watch(NOW + timedelta(minutes=4))
    assert standing() == {}
    watch(NOW + timedelta(minutes=6))
    assert sorted(standing()) == ["silent:outside", "silent:sender"]
    for kind in ("sender", "outside"):
        add(Heartbeat(process=f"{kind} 1", kind=kind, started_at=NOW, at=NOW + timedelta(minutes=6)))
    watch(NOW + timedelta(minutes=7))
    assert standing() == {}


def test_a_look_that_fails_ends_no_alert_and_keeps_no_other_from_being_told(monkeypatch):
    add(dead())
    watch(NOW)

    def broken(session, now):
        raise RuntimeError("no such column")

    from worker.alerts import checks

    looks = tuple(broken if each is checks.failed_groups else each for each in checks.CHECKS)
    monkeypatch.setattr(checks, "CHECKS", looks)
    add(Pause(queue="mail", at=NOW - timedelta(hours=2), actor="olga", reason="mending"))
    watch(NOW)
    assert len(standing()) == 2


def test_an_empty_site_has_nothing_to_tell():
    watch(NOW)
    assert standing() == {}


# ---- by mail -----------------------------------------------------------------------------------------------


@pytest.fixture
def outbox(clock, monkeypatch, house):
    """Send what is owed, through the real sender into a Maildir; the messages that lie there."""
    monkeypatch.setattr(mail_connections, "_kept", {})
    monkeypatch.setattr(send_slice, "_histories", {})
    monkeypatch.setattr(send_slice, "_paces", {})

    def sent():
        send_slice.run_slice(time.monotonic() + 60)
        found = sorted((house / "var/outbox/new").glob("*"))
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in found]

    return sent


def test_the_letter_arrives_and_says_what_since_when_and_where(outbox, clock):
    operator()
    add(dead(), dead())
    watch(clock.now)
    [letter] = outbox()
    assert letter["To"] == "olga@newsroom.example"
    assert letter["Subject"].endswith("] 2 jobs of SubscriptionRequested failed for good")
    assert letter["List-Unsubscribe"] is None
    for part in ("plain", "html"):
        body = letter.get_body((part,)).get_content()
        assert "Tuesday 17 November 2026, 08:00 UTC" in body
        assert "Mend the cause" in body.replace("mend", "Mend")
    link = "http://localhost:8000/operator/jobs?group=SubscriptionRequested%3AServerDisconnected%3Aaa11"
    assert link in letter.get_body(("plain",)).get_content()
    watch(clock.forward(minutes=1))
    assert len(outbox()) == 1


def test_who_no_longer_wants_it_when_it_is_sent_does_not_get_it(outbox, clock):
    operator("gone@newsroom.example")
    operator("quiet@newsroom.example")
    operator("olga@newsroom.example", "admin")
    add(dead())
    watch(clock.now)
    with writing() as session:
        session.execute(update(Operator).where(Operator.address == "gone@newsroom.example").values(disabled_at=NOW))
        session.execute(update(Operator).where(Operator.address == "quiet@newsroom.example").values(alerts=False))
    assert [letter["To"] for letter in outbox()] == ["olga@newsroom.example"]
    with reading() as session:
        assert session.scalars(select(Delivery.state).order_by(Delivery.id)).all() == ["skipped", "skipped", "sent"]


def test_while_the_mail_server_refuses_the_alert_waits_in_its_ledger(outbox, clock, setting):
    setting(MAIL_URL="smtp://127.0.0.1:9", MAIL_FROM="Verdicts <digest@verdicts.example>")
    operator()
    with writing() as session:
        breakers.refused(session, "127.0.0.1:9", "connection refused", clock.now)
        session.execute(update(breakers.Breaker).values(since=clock.now - timedelta(minutes=3)))
    watch(clock.now)
    assert outbox() == []
    with reading() as session:
        assert session.scalars(select(Delivery.state)).all() == ["pending"]
    assert [alert.kind for alert in standing().values()] == ["breaker"]
