"""Queues on the console: paused and resumed with a reason that stands on every page; what dead workers left is seen."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from db.deliveries.claiming.claims import Claim
from db.jobs import jobs
from db.operators.audit import AuditEntry
from db.session import reading, writing
from tests.failed import fill


def pause(browser, reason: str = "relay moves"):
    return browser.press("/operator/queues/jobs/pause", {"confirmed": "yes", "note": reason}, follow_redirects=True)


def test_a_pause_is_asked_for_with_a_reason_and_stands_on_every_page(console, app):
    fill(3, "pending", run_after=datetime.now(UTC) - timedelta(minutes=49))
    browser = console("operator")
    asked = browser.press("/operator/queues/jobs/pause")
    assert "Digests still open and freeze" in asked.text
    assert pause(browser, " ").status_code == 409
    assert "is paused" not in browser.get("/operator/queues").text
    assert "Queue “jobs” is paused." in pause(browser).text
    viewer = console("viewer")
    pages = [str(rule) for rule in app.url_map.iter_rules() if str(rule).startswith("/operator") and not rule.arguments
             and "GET" in rule.methods and rule.endpoint.removeprefix("operator.") in
             ("overview", "jobs", "queues", "digests", "deliveries", "schedule", "account", "explain")]  # fmt: skip
    assert len(pages) >= 3
    for address in pages:
        page = viewer.get(address).text
        assert "Queue “jobs” is paused</strong> since" in page, address
        assert "by operator@newsroom.example: “relay moves”. 3 jobs wait; the oldest for 49 min" in page, address


def test_a_queue_is_resumed_after_one_was_told_what_waits(console):
    fill(1, "pending")
    browser = console("operator")
    pause(browser)
    asked = browser.press("/operator/queues/jobs/resume")
    assert "1 job waits; the work goes on at once." in asked.text
    done = browser.press("/operator/queues/jobs/resume", {"confirmed": "yes", "note": "moved"}, follow_redirects=True)
    assert "Queue “jobs” goes on." in done.text
    assert "is paused</strong>" not in done.text
    assert browser.press("/operator/queues/jobs/resume").status_code == 409
    with reading() as session:
        kept = session.scalars(select(AuditEntry).where(AuditEntry.action.like("queue.%")).order_by(AuditEntry.id))
        assert [(each.action, each.note) for each in kept] == [
            ("queue.pause", "relay moves"),
            ("queue.resume", "moved"),
        ]
    assert browser.press("/operator/queues/bounces/pause").status_code == 404


def test_lapsed_leases_are_seen_and_then_what_the_sweep_recovered(console):
    [lost] = fill(1, "running", lease=datetime.now(UTC) - timedelta(minutes=1))
    with writing() as session:
        now = datetime.now(UTC)
        session.add(Claim(worker="far:9:1", lease=now - timedelta(minutes=1), win=8, made_at=now))
        session.add(jobs.Attempt(job_id=lost, number=6, worker="near:7", trigger="event", started_at=now))
    browser = console("viewer")
    page = browser.get("/operator/queues").text
    assert "near:7" in page
    assert f'href="/operator/jobs/{lost}"' in page
    assert "far:9:1" in page
    with writing() as session:
        jobs.recover(session, datetime.now(UTC))
    page = browser.get("/operator/queues").text
    assert "lost with near:7; the job is dead" in page


def test_viewers_and_editors_see_the_queues_and_cannot_pause_them(console):
    for role in ("viewer", "editor"):
        browser = console(role)
        assert "Pause “" not in browser.get("/operator/queues").text
        assert browser.press("/operator/queues/jobs/pause", {"confirmed": "yes", "note": "x"}).status_code == 403
