"""`verdicts jobs`: the console's orders, given by command."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from db.jobs import jobs
from db.operators.audit import AuditEntry
from db.session import reading
from tests.failed import fill, states
from web.cli import main

pytestmark = pytest.mark.usefixtures("database")


def verdicts(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["jobs", *map(str, words)])
    assert done.exit_code == code, done.output
    return done.output


def audited() -> list[tuple[str, int, str | None]]:
    with reading() as session:
        kept = list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    assert all(each.actor.startswith("command: ") for each in kept)
    return [(each.action, each.count, each.note) for each in kept]


def test_list_shows_jobs_and_groups_and_filters_both():
    first, second = fill(2)
    [other] = fill(1, kind="ComparisonPublished", fingerprint="def", said="row 12 is bad")
    [waiting] = fill(1, "pending", failed_at=datetime.now(UTC))
    assert [row["id"] for row in json.loads(verdicts("list", "--json"))] == [waiting, other, second, first]
    assert [row["id"] for row in json.loads(verdicts("list", "--kind", "ComparisonPublished", "--json"))] == [other]
    assert [row["id"] for row in json.loads(verdicts("list", "--text", "ROW 12", "--json"))] == [other]
    assert [row["id"] for row in json.loads(verdicts("list", "--since", "1h", "--json"))] == [waiting]
    groups = json.loads(verdicts("list", "--group", "--json"))
    assert {each["group"]: each["jobs"] for each in groups} == {
        "SubscriptionRequested:ValueError:abc": 2, "ComparisonPublished:ValueError:def": 1,
    }  # fmt: skip
    one = verdicts("list", "--group", "SubscriptionRequested:ValueError:abc", "--state", "dead", "--json")
    assert [row["id"] for row in json.loads(one)] == [second, first]
    assert "row 12 is bad" in verdicts("list", "--group")
    verdicts("list", "--since", "yesterday", code=2)
    verdicts("list", "--group", "nonsense", code=1)


def test_show_names_the_jobs_around_it():
    [old] = fill()
    told = verdicts("edit", old, "--set", "subscriber=7")
    copy = max(states())
    assert told == f"job {copy} is owed in place of job {old}.\n"
    assert f"replaced by: job {copy}" in verdicts("show", old)
    assert f"replaces: job {old}" in verdicts("show", copy)
    shown = json.loads(verdicts("show", copy, "--json"))
    assert (shown["replaces"], shown["payload"]) == (old, {"sign_up": 1, "subscriber": 7})


def test_edit_refuses_what_does_not_fit():
    [old] = fill()
    assert "subscriber: must be a whole number" in verdicts("edit", old, "--set", "subscriber=seven", code=1)
    verdicts("edit", old, "--set", "subscriber", code=2)
    assert states() == {old: "dead"}


def test_all_that_match_are_retried_and_the_command_says_until_when():
    ids, others = fill(30), fill(2, error="OSError", fingerprint="def")
    assert verdicts("retry", "--error", "ValueError", "--dry-run").startswith("Would retry 30 jobs")
    assert set(states().values()) == {"dead"}
    told = verdicts("retry", "--error", "ValueError", "--rate", "10", "--note", "mended")
    assert told.startswith("30 jobs are owed again.\nThey are released 10 a second, the last one at ")
    assert {states()[job_id] for job_id in ids} == {"pending"}
    assert {states()[job_id] for job_id in others} == {"dead"}
    assert verdicts("retry", "--all") == "2 jobs are owed again.\n"
    assert audited() == [("jobs.retry", 30, "mended"), ("jobs.retry", 2, None)]


def test_named_jobs_are_retried_at_once_discarded_and_restored():
    first, second, third = fill(3)
    assert verdicts("retry", first) == "1 job is owed again.\n"
    assert verdicts("discard", second, third, "--reason", "old") == "2 discarded.\n"
    assert verdicts("restore", third) == "1 restored.\n"
    assert states() == {first: "pending", second: "discarded", third: "dead"}
    with reading() as session:
        assert jobs.get(session, first).run_after <= datetime.now(UTC)
    assert "is discarded" in verdicts("retry", second, code=1)
    for words in (["retry"], ["retry", first, "--all"], ["discard", "--reason", "x"], ["stop"]):
        verdicts(*words, code=2)


def test_groups_are_discarded_restored_and_looked_at_first():
    fill(3)
    fill(1, fingerprint="def")
    group = "SubscriptionRequested:ValueError:abc"
    assert verdicts("discard", "--group", group, "--reason", "old", "--dry-run") == "Would discard 3 jobs (1-3).\n"
    assert verdicts("discard", "--group", group, "--reason", "old") == "3 discarded.\n"
    assert verdicts("restore", "--all", "--dry-run") == "Would restore 3 jobs (1-3).\n"
    assert verdicts("restore", "--all") == "3 restored.\n"
    assert set(states().values()) == {"dead"}


def test_a_waiting_job_is_stopped():
    [waiting] = fill(1, "pending", run_after=datetime.now(UTC) + timedelta(hours=1))
    assert verdicts("stop", waiting, "--note", "enough") == "1 stopped.\n"
    assert states() == {waiting: "dead"}
    assert audited() == [("jobs.stop", 1, "enough")]


def test_a_paused_queue_is_told_wherever_one_looks():
    fill(2, "pending", attempt=0, failed_at=None, run_after=datetime.now(UTC) - timedelta(minutes=49))
    assert "Digests still open" in verdicts("pause", "jobs", "--reason", "mending a reaction")
    for told in (verdicts("list"), verdicts("queues")):
        assert "! Queue jobs is paused since" in told
        assert "mending a reaction. 2 wait, the oldest for 49 min." in told
    [_, owed, mail, _] = json.loads(verdicts("queues", "--json"))
    assert (owed["paused"]["reason"], owed["waiting"], mail["paused"]) == ("mending a reaction", 2, None)
    assert "paused" not in verdicts("list", "--json")
    doctor = CliRunner().invoke(main, ["doctor"]).output
    assert "! queue: Queue jobs is paused" in doctor
    assert verdicts("resume", "jobs") == "Queue jobs goes on.\n"
    assert "paused" not in verdicts("list")
    assert "is not paused" in verdicts("resume", "jobs", code=1)


def test_an_outside_job_says_its_queue_and_receiver():
    [event] = fill(1)
    [request] = fill(1, kind="PostWebhookMessage", receiver="hooks.example")
    rows = {row["id"]: (row["queue"], row["receiver"]) for row in json.loads(verdicts("list", "--json"))}
    assert rows == {event: ("jobs", None), request: ("outside", "hooks.example")}
