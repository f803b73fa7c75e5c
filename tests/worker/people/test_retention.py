"""What is kept for its time is removed afterwards, and what it was needed for holds on."""

from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from db import guard, removals, rules
from db.deliveries import accounts, deliveries
from db.digests import digests
from db.jobs import jobs, retries
from db.jobs.events import ComparisonPublished, SubscriptionConfirmed, SubscriptionRequested
from db.jobs.jobs import Attempt, Job
from db.session import reading, writing
from emails import links
from tests import applications
from tests.transports import SLOT, digest, run, states
from web.cli import main
from worker.digests import weekly_run as digest_worker
from worker.jobs import jobs as job_worker
from worker.people import forgetting, retention

YEAR = rules.RETENTION["deliveries"].period


def verdicts(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.output


def count(table: str) -> int:
    with reading() as session:
        return session.scalar(text(f"SELECT count(*) FROM {table}"))


@pytest.fixture
def finished(door, clock) -> int:
    """A digest to thirty readers that has gone out, and one letter of it failed."""
    number = digest(clock, 30)
    run()
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'failed', code = 550 WHERE id = 7"))
    digest_worker.tick(opens=False)
    return number


# ---- deliveries ----------------------------------------------------------------------------------------------


def test_after_thirteen_months_a_digest_keeps_its_final_account(finished, clock, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 7)
    clock.forward(days=395)
    forgetting.forget()
    assert count("deliveries") == 30
    clock.forward(days=1, minutes=1)
    assert retention.remove("deliveries", clock.now) == 7
    assert verdicts("digest", "check", SLOT)[0] == 0, "it holds amid the removal too"
    forgetting.forget()
    assert count("deliveries") == 0
    assert states() == {"sent": 29, "failed": 1}
    code, told = verdicts("digest", "check", SLOT)
    assert (code, "sent 29" in told, "removed 30" in told, "✓ Totals match" in told) == (0, True, True, True)
    for words in (("digest", "show", SLOT), ("digest", "list"), ("deliveries", "explain", "reader-1@reader.example")):
        assert verdicts(*words)[0] == 0
    assert (
        "30 deliveries of 2026-W47 were removed: they are kept for 13 months" in verdicts("deliveries", "list", SLOT)[1]
    )
    with reading() as session:
        assert removals.by_kind(session)["deliveries"].total == 30
        assert accounts.progress(session, digests.get(session, SLOT)).holds


def test_what_was_removed_cannot_be_sent_again(finished, clock, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 3)
    clock.forward(days=397)
    retention.remove("deliveries", clock.now)
    code, told = verdicts("deliveries", "retry", SLOT)
    assert code == 1
    assert "deliveries are kept for 13 months" in told
    assert verdicts("digest", "check", SLOT)[0] == 0


def test_a_digest_that_somebody_still_has_to_decide_about_keeps_its_letters(door, clock):
    digest(clock, 5)
    run()
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'unknown' WHERE id = 3"))
        session.execute(text("UPDATE digests SET state = 'sending', finished_at = NULL"))
    clock.forward(days=500)
    forgetting.forget()
    assert count("deliveries") == 5


def test_single_letters_go_with_their_test_letters_and_open_ones_stay(database, clock):
    digest(clock, 0)
    with writing() as session:
        for number in (1, 2, 3):
            session.add(digests.TestLetter(digest_id=1, address=f"{number}@reader.example", subject="s", preheader="p",
                                   html="h", text="t", asked_at=clock.now))  # fmt: skip
            deliveries.owe(session, "test", number, f"address:{number}", clock.now)
        session.execute(text("UPDATE deliveries SET state = 'sent' WHERE about < 3"))
    clock.forward(days=397)
    forgetting.forget()
    assert (count("deliveries"), count("test_letters")) == (1, 1)


def test_the_way_out_of_an_old_letter_still_works(finished, clock, setting):
    token = links.sign(setting().keys, "unsubscribe", 4, 4)
    clock.forward(days=400)
    forgetting.forget()
    client = applications.application().test_client()
    assert client.get(f"/unsubscribe/{token}").status_code == 200
    done = client.post(f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    with reading() as session:
        assert session.scalar(text("SELECT state FROM subscribers WHERE id = 4")) == "unsubscribed"


def test_a_vote_link_ends_with_its_delivery(finished, clock, setting, catalogue):
    with writing() as session:
        digests.get(session, SLOT).tool_ids = [catalogue.quillmate]
    path = f"/vote/{links.sign(setting().keys, 'vote', 5, 5)}?tool=quillmate&choice=ship"
    client = applications.application().test_client()
    assert "Ship Quillmate?" in client.get(path).text
    clock.forward(days=400)
    forgetting.forget()
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 410
        assert "Vote links work for 13 months, so no vote was counted." in answer.text
        assert 'href="/compare/quillmate-vs-inkwell#quillmate">Vote on Quillmate</a>' in answer.text
    assert count("votes") == 0


# ---- jobs ----------------------------------------------------------------------------------------------------


def test_jobs_that_succeeded_go_after_a_week_with_their_attempts(database, clock):
    with writing() as session:
        jobs.record(session, SubscriptionRequested(1, 1), clock.now)
        jobs.record(session, SubscriptionConfirmed(1, 1), clock.now)
    job_worker.work()
    assert count("attempts") == count("jobs") > 2
    clock.forward(days=7, minutes=-1)
    forgetting.forget()
    assert count("attempts") > 2
    clock.forward(minutes=1)
    forgetting.forget()
    assert (count("jobs"), count("attempts")) == (0, 0)


def test_a_job_stays_for_those_that_refer_to_it(database, clock):
    """The event's own job stays while one of its reactions has failed, and so does whatever a copy replaces."""
    with writing() as session:
        jobs.record(session, SubscriptionConfirmed(1, 1), clock.now)
        session.flush()
        session.execute(text("UPDATE jobs SET state = 'succeeded', finished_at = run_after"))
        session.add(Job(kind="SubscriptionConfirmed", payload={}, cause=1, reaction="welcome", state="dead",
                        run_after=clock.now, created_at=clock.now, finished_at=clock.now))  # fmt: skip
        jobs.record(session, ComparisonPublished(1), clock.now)
        session.flush()
        retries.replace(session, 3, {"comparison": 2}, clock.now)
    clock.forward(days=100)
    forgetting.forget()
    with reading() as session:
        assert {each.id: each.state for each in jobs.listed(session, list(jobs.STATES))} == {
            1: "succeeded", 2: "dead", 3: "discarded", 4: "pending",
        }  # fmt: skip
        assert session.query(Attempt).count() == 0


# ---- the rules -----------------------------------------------------------------------------------------------


def test_the_console_shows_what_was_removed_and_what_waits(finished, clock):
    clock.forward(days=397)
    with reading() as session:
        waiting = {each.rule.what: each.waiting for each in retention.report(session, clock.now)}
    assert waiting["letters to readers, and what became of them"] == 30
    forgetting.forget()
    with reading() as session:
        kept = next(each for each in retention.report(session, clock.now) if each.rule == rules.RETENTION["deliveries"])
    assert (kept.waiting, kept.removed.rows, kept.removed.day) == (0, 30, clock.now.date())


def test_nothing_is_removed_in_a_copy_that_is_not_confirmed(finished, clock):
    from tests.worker.processes.test_guard import look_once

    with writing() as session:
        guard.stand(session, "back-up", clock.now, 0, 0)
    clock.forward(days=397)
    assert "people.forget" not in look_once(None)


def test_each_kind_that_is_removed_has_its_period():
    assert set(retention.REMOVE) <= {kind for kind, rule in rules.RETENTION.items() if rule.period}
    assert rules.RETENTION["sign-ups"].period == rules.SIGN_UP_LIFE
    assert rules.RETENTION["deliveries"].period >= timedelta(days=395)
