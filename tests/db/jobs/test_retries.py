"""What operators do about failed jobs: bounded by what they were shown, released at a rate, edited as a new job."""

from datetime import timedelta

import pytest

from db.jobs import filters, jobs, retries
from db.jobs.filters import JobFilter
from db.jobs.jobs import Job
from db.operators.audit import Actor, AuditEntry
from db.rules import JOB_ATTEMPTS, Refused
from db.session import reading, writing
from tests.failed import AT, fill, states
from web.actions import jobs as actions

pytestmark = pytest.mark.usefixtures("database")

MARA = Actor("mara@verdicts.example", "192.0.2.7")
NOW = AT + timedelta(hours=1)
KINDS = ["SubscriptionRequested"]


def look(job_id: int) -> Job:
    with reading() as session:
        return jobs.get(session, job_id)


def entries() -> list[AuditEntry]:
    with reading() as session:
        return list(session.query(AuditEntry).order_by(AuditEntry.id))


# ---- all that match ----------------------------------------------------------------------------------------


def test_all_that_match_are_retried_at_a_rate_in_the_order_of_their_numbers():
    ids = fill(25)
    asked = actions.preview("retry", JobFilter(), NOW)
    assert asked.jobs == 25
    assert actions.retry_matching(MARA, asked.chosen, NOW, "mended", rate=5) == 25
    with reading() as session:
        found = [jobs.get(session, job_id) for job_id in ids]
    assert [(job.run_after - NOW).total_seconds() for job in found] == [turn / 5 for turn in range(25)]
    assert {(job.state, job.trigger, job.allowed) for job in found} == {("pending", "operator", 6 + JOB_ATTEMPTS)}


def test_a_worker_takes_no_more_of_them_than_the_rate_lets_go():
    fill(25)
    actions.retry_matching(MARA, actions.preview("retry", JobFilter(), NOW).chosen, NOW, rate=5)
    taken = 0
    with writing() as session:
        while jobs.claim(session, KINDS, "host:1", NOW + timedelta(seconds=1)):
            taken += 1
    assert taken == 6


def test_what_fails_or_changes_after_the_count_was_shown_is_left_alone():
    first, second, third = fill(3)
    asked = actions.preview("retry", JobFilter(), NOW)
    assert asked.jobs == 3
    [new] = fill(1, failed_at=NOW + timedelta(seconds=1))
    with writing() as session:
        retries.retry(session, second, NOW)
    with writing() as session:
        job = jobs.claim(session, KINDS, "host:1", NOW + timedelta(seconds=1))
        assert job is not None
        assert job.id == second
    with writing() as session:
        jobs.fail(session, job, jobs.Failure("ValueError", "again", "abc"), NOW + timedelta(seconds=2))
        retries.stop(session, second, NOW + timedelta(seconds=3))
    assert actions.retry_matching(MARA, asked.chosen, NOW + timedelta(seconds=5)) == 2
    assert states() == {first: "pending", second: "dead", third: "pending", new: "dead"}


def test_each_page_is_written_down_with_its_filter_and_its_jobs(monkeypatch):
    monkeypatch.setattr(retries, "PAGE", 10)
    ids = fill(25)
    told: list[int] = []
    actions.retry_matching(
        MARA, actions.preview("retry", JobFilter(text="letter"), NOW).chosen, NOW, "mended", on_page=told.append
    )
    assert told == [10, 10, 5]
    kept = entries()
    assert [each.count for each in kept] == [10, 10, 5]
    assert kept[0].affected == f"{ids[0]}-{ids[9]}"
    first = kept[0].chosen_by
    assert first is not None
    assert (first["text"], first["upto"], first["until"]) == ("letter", ids[-1], NOW.isoformat())
    assert {(each.actor, each.action, each.note) for each in kept} == {(MARA.name, "jobs.retry", "mended")}


def test_many_are_discarded_with_a_reason_and_restored():
    ids, other = fill(3), fill(2, fingerprint="def")
    chosen = JobFilter(groups=(filters.GroupKey("SubscriptionRequested", "ValueError", "abc"),))
    with pytest.raises(Refused, match="Say why"):
        actions.discard_matching(MARA, chosen, " ", NOW)
    assert set(states().values()) == {"dead"}
    assert actions.discard_matching(MARA, chosen, "sent by hand", NOW) == 3
    assert states() == dict.fromkeys(ids, "discarded") | dict.fromkeys(other, "dead")
    assert look(ids[0]).note == "sent by hand"
    assert actions.restore_matching(MARA, JobFilter("discarded"), NOW) == 3
    assert set(states().values()) == {"dead"}


def test_only_what_an_order_can_be_given_for_is_counted():
    fill(state="running")
    fill(state="succeeded")
    fill(state="pending", attempt=0, failed_at=None)
    [dead] = fill()
    assert actions.preview("retry", JobFilter("all"), NOW).jobs == 1
    assert actions.preview("discard", JobFilter("all"), NOW).jobs == 2
    assert actions.retry_matching(MARA, JobFilter("all"), NOW) == 1
    assert look(dead).state == "pending"


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e6, float("nan")])
def test_a_rate_that_is_none_is_refused(rate):
    fill(1)
    with pytest.raises(Refused, match="jobs a second"):
        actions.retry_matching(MARA, JobFilter(), NOW, rate=rate)


# ---- one job -----------------------------------------------------------------------------------------------


def test_a_waiting_job_is_retried_now_or_stopped():
    now_, stopped = fill(2, "pending", run_after=AT + timedelta(days=1), attempt=2, finished_at=None)
    actions.retry(MARA, [now_], NOW)
    actions.stop(MARA, [stopped], NOW, "the tool is gone")
    assert (look(now_).run_after, look(now_).trigger) == (NOW, "operator")
    assert (look(stopped).state, look(stopped).finished_at) == ("dead", NOW)
    assert [(each.action, each.about, each.note) for each in entries()] == [
        ("jobs.retry", f"job {now_}", None), ("jobs.stop", f"job {stopped}", "the tool is gone"),
    ]  # fmt: skip
    for job_id in (stopped, *fill(1, "pending", attempt=0)):
        with pytest.raises(Refused, match="only a job that waits"):
            actions.stop(MARA, [job_id], NOW)


def test_of_named_jobs_all_or_none_are_met():
    dead, *_ = fill(1)
    [running] = fill(1, "running")
    with pytest.raises(Refused, match="is running"):
        actions.retry(MARA, [dead, running], NOW)
    assert look(dead).state == "dead"
    assert entries() == []


# ---- an edited copy ----------------------------------------------------------------------------------------


def test_an_edited_copy_is_owed_in_place_of_the_job():
    [old] = fill(1, reaction="ask_for_confirmation")
    copy = actions.edit(MARA, old, {"subscriber": "7"}, NOW, "wrong reader")
    assert (copy.kind, copy.payload, copy.replaces) == ("SubscriptionRequested", {"sign_up": 1, "subscriber": 7}, old)
    assert (copy.reaction, copy.state, copy.attempt) == ("ask_for_confirmation", "pending", 0)
    assert (look(old).state, look(old).note) == ("discarded", f"edited: job {copy.id} replaces it")
    [entry] = entries()
    assert (entry.action, entry.before, entry.after) == ("jobs.edit", {"sign_up": 1, "subscriber": 1}, copy.payload)
    with reading() as session:
        assert filters.copies(session, jobs.get(session, old))[0] == copy.id
    with pytest.raises(Refused, match=f"replaced by job {copy.id}"):
        actions.restore(MARA, [old], NOW)
    assert actions.restore_matching(MARA, JobFilter("discarded"), NOW) == 0


@pytest.mark.parametrize(
    ("values", "field", "told"),
    [
        ({"subscriber": "seven"}, "subscriber", "whole number"),
        ({"subscriber": ""}, "subscriber", "whole number"),
        ({"subscriber": "1.5"}, "subscriber", "whole number"),
        ({"reader": "7"}, "reader", "no such field"),
    ],
)
def test_values_that_the_event_cannot_have_are_refused_field_by_field(values, field, told):
    [old] = fill(1)
    with pytest.raises(retries.BadPayload) as refused:
        actions.edit(MARA, old, values, NOW)
    assert told in refused.value.fields[field]
    assert look(old).state == "dead"
    assert len(states()) == 1


def test_a_payload_that_lacks_a_field_is_completed_by_an_edit():
    [old] = fill(1, payload={"sign_up": 3, "former": "x"})
    with pytest.raises(retries.BadPayload, match="subscriber: is missing"):
        actions.edit(MARA, old, {}, NOW)
    assert actions.edit(MARA, old, {"subscriber": 4}, NOW).payload == {"sign_up": 3, "subscriber": 4}


@pytest.mark.parametrize("state", ["running", "succeeded", "discarded"])
def test_a_job_that_runs_or_is_over_is_not_edited(state):
    [job_id] = fill(1, state)
    with pytest.raises(Refused, match=f"is {state}"):
        actions.edit(MARA, job_id, {"subscriber": 2}, NOW)


def test_what_this_release_does_not_know_is_not_edited():
    [job_id] = fill(1, kind="SomethingNewer")
    with pytest.raises(Refused, match="does not know SomethingNewer"):
        actions.edit(MARA, job_id, {"subscriber": 2}, NOW)
