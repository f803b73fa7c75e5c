"""The charts' figures: counted from the proof of consent, the tallies' days, the attempts and the deliveries."""

from datetime import UTC, date, datetime, timedelta

from db.digests import digests
from db.jobs.jobs import Attempt, Job
from db.monitoring import charts
from db.session import reading, writing
from db.subscribers import imports, subscriptions
from db.votes import tallies, votes

NOW = datetime(2026, 11, 18, 8, tzinfo=UTC)  # a Wednesday


def test_an_empty_site_has_a_figure_for_every_period_and_all_are_none(database):
    with reading() as session:
        assert sum(week.ups + week.downs for week in charts.subscribers(session, NOW)) == 0
        assert len(charts.subscribers(session, NOW)) == 26
        assert len(charts.votes(session, NOW)) == len(charts.failures(session, NOW)) == 30
        assert charts.digest_counts(session) == []


def test_weeks_begin_on_monday_and_hold_who_came_and_who_left(database):
    with writing() as session:
        imports.add_imported(session, {f"a{n}@reader.example": None for n in range(3)}, "fair", "f.csv",
                          datetime(2026, 11, 15, 23, 59, 59, tzinfo=UTC))  # fmt: skip
        imports.add_imported(session, {"b@reader.example": None}, "fair", "f.csv", datetime(2026, 11, 16, tzinfo=UTC))
        subscriptions.leave(session, 1, "link", NOW)
        subscriptions.request(session, "c@reader.example", words="Yes", words_version="1", locale="en", form_url="/",
                            ip=None, user_agent=None, now=NOW)  # fmt: skip
    with reading() as session:
        weeks = charts.subscribers(session, NOW)
    assert weeks[-2:] == [(date(2026, 11, 9), 3, 0), (date(2026, 11, 16), 1, 1)]


def test_days_of_votes_are_those_of_the_tallies(catalogue):
    with writing() as session:
        for n, (tool, choice) in enumerate([("quillmate", "ship"), ("quillmate", "ship"), ("inkwell", "skip")]):
            votes.cast(session, f"anonymous:{n}", getattr(catalogue, tool), choice, NOW - timedelta(days=1))
        tallies.fold(session, NOW - timedelta(days=1))
        votes.withdraw(session, "anonymous:0", catalogue.quillmate, NOW)
        tallies.fold(session, NOW)
    with reading() as session:
        days = charts.votes(session, NOW)
    assert days[-2:] == [(date(2026, 11, 17), 2, 1), (date(2026, 11, 18), -1, 0)]
    assert days[0].start == date(2026, 10, 20)


def test_failures_are_counted_on_the_day_they_ended(database):
    with writing() as session:
        job = Job(kind="K", payload={}, run_after=NOW, created_at=NOW)
        session.add(job)
        session.flush()
        for number, (ago, outcome) in enumerate([(0, "failed"), (0, "lost"), (1, "failed"), (0, "succeeded"),
                                                 (40, "failed")]):  # fmt: skip
            at = NOW - timedelta(days=ago)
            session.add(Attempt(job_id=job.id, number=number, worker="w", trigger="event", started_at=at, ended_at=at,
                                outcome=outcome))  # fmt: skip
    with reading() as session:
        days = charts.failures(session, NOW)
    assert [day.ups for day in days[-2:]] == [1, 2]
    assert sum(day.ups for day in days) == 3


def test_a_digests_outcomes_are_those_it_ended_with(database):
    with writing() as session:
        ended = {
            "2026-W44": ("cancelled", {"sent": 1, "cancelled": 4}),
            "2026-W45": ("finished", {"sent": 90, "failed": 10}),
            "2026-W46": ("skipped", None),
        }
        for slot, (state, outcomes) in ended.items():
            digest = digests.open_slot(session, slot, NOW - timedelta(weeks=47 - int(slot[-2:])), NOW)
            digest.state, digest.outcomes, digest.audience = state, outcomes, outcomes and sum(outcomes.values())
    with reading() as session:
        found = charts.digest_counts(session)
    assert [each.slot for each in found] == ["2026-W44", "2026-W45"]
    assert (found[1].states["sent"], found[1].states["failed"]) == (90, 10)
