"""The console's first page: its charts say what their tables say, and its strip tells what is so."""

import re
import socket
import threading
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from db.deliveries import deliveries
from db.deliveries.deliveries import Delivery
from db.deliveries.limits import breakers
from db.digests import digests
from db.jobs.jobs import Job
from db.monitoring.alerts import Condition, raise_new
from db.monitoring.charts import DigestCounts, Period
from db.monitoring.heartbeats import Heartbeat
from db.monitoring.pauses import Pause
from db.schema import RELEASE, REVISION
from db.session import reading, writing
from db.subscribers import imports
from web.operator import overview, svg_charts
from web.operator.frame import health
from web.operator.frame.cached import Cached
from worker.alerts import alerts as worker_alerts

NOW = datetime.now(UTC)


# ---- charts ------------------------------------------------------------------------------------------------


def weeks(*pairs):
    return [Period(date(2026, 11, 2) + timedelta(weeks=n), *pair) for n, pair in enumerate(pairs)]


def test_a_columns_height_is_its_share_and_what_left_hangs_below_the_base():
    drawn = svg_charts.subscribers(weeks((30, 0), (10, 10), (0, 0)))
    came, other, left = drawn.rects
    assert (came.kind, other.kind, left.kind) == ("came", "came", "left")
    assert float(came.height) == pytest.approx(3 * float(other.height), rel=0.02)
    assert float(came.y) + float(came.height) == pytest.approx(float(drawn.base), abs=0.1)
    assert float(left.y) == pytest.approx(float(drawn.base), abs=0.1)
    assert drawn.top == 30


def test_the_words_and_the_table_say_the_same_as_the_columns():
    drawn = svg_charts.subscribers(weeks((30, 0), (10, 12)))
    assert drawn.words == (
        "Subscribers rose by 28 in 2 weeks: 40 came, 12 left; the best week began on 2 Nov, with +30"
    )
    assert drawn.rows == (("2026-11-02", "30", "0", "+30"), ("2026-11-09", "10", "12", "-2"))
    fell = svg_charts.subscribers(weeks((1, 3)))
    assert fell.words.startswith("Subscribers fell by 2 in 1 weeks")


def test_what_is_small_beside_thousands_can_still_be_seen():
    drawn = svg_charts.digest_counts([DigestCounts("2026-W47", {"sent": 100_000, "failed": 1})])
    assert [rect.kind for rect in drawn.rects] == ["sent", "bad"]
    assert float(drawn.rects[1].height) >= 1.5
    assert "100,000 sent, 1 failed" in drawn.words
    assert drawn.rows == (("2026-W47", "100,000", "0", "1", "0", "0", "0", "0", "0"),)


def test_nothing_to_draw_is_no_chart():
    assert svg_charts.subscribers(weeks((0, 0))) is None
    assert svg_charts.votes(weeks((0, 0))) is None
    assert svg_charts.failures(weeks((0, 0))) is None
    assert svg_charts.digest_counts([]) is None


def test_votes_that_were_taken_back_hang_below_the_base():
    drawn = svg_charts.votes(weeks((3, 1), (-2, 0)))
    assert [rect.kind for rect in drawn.rects] == ["ship", "skip", "ship"]
    assert float(drawn.rects[2].y) == pytest.approx(float(drawn.base), abs=0.1)
    assert "2 votes more in 2 days" in drawn.words


# ---- the page ----------------------------------------------------------------------------------------------


def test_an_empty_site_has_sentences_and_no_empty_chart(console):
    text = console("viewer").get("/operator").text
    for sentence in ("Nobody has subscribed or left", "No digest has gone out yet.", "Nobody has voted in 30 days.",
                     "No job has failed in 30 days.", "There is no digest yet.", "No alert is open."):  # fmt: skip
        assert sentence in text
    assert '<figure class="chart">' not in text


def test_the_page_shows_charts_with_their_table_and_breaks_no_policy(console):
    with writing() as session:
        imports.add_imported(session, {f"r{n}@reader.example": None for n in range(7)}, "fair", "f.csv", NOW)
    answer = console("viewer").get("/operator")
    assert 'aria-label="Subscribers rose by 7 in 26 weeks: 7 came, 0 left' in answer.text
    assert answer.text.count('<tr><th scope="row">') == 26
    assert re.search(r"<style|style=|<script>", answer.text) is None
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_alerts_and_the_digest_stand_there_and_refresh_themselves(console):
    with writing() as session:
        raise_new(session, Condition("k", "late", "Digest 2026-W47 is late", ("It was due.",), "/operator"), NOW)
        digest = digests.open_slot(session, "2026-W47", NOW, NOW)
        digest.state, digest.audience, digest.frozen_at = "sending", 3, NOW
        for n, state in enumerate(("sent", "sent", "pending")):
            session.add(Delivery(letter="digest", about=digest.id, person=f"subscriber:{n}", state=state,
                                 not_before=NOW, created_at=NOW))  # fmt: skip
    browser = console("viewer")
    text = browser.get("/operator").text
    assert "Digest 2026-W47 is late" in text
    assert "66% of the audience is settled: 2 sent" in text
    first = browser.get("/operator/overview/now")
    assert "Digest 2026-W47, sending" in first.text
    assert browser.get("/operator/overview/now", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    with writing() as session:
        session.query(Delivery).where(Delivery.state == "pending").one().state = "sent"
    browser.application.extensions["digests"].clear()  # the look that is kept for a second
    browser.application.extensions["digests"].clear()  # its last look has grown old
    assert browser.get("/operator/overview/now", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


# ---- the strip ---------------------------------------------------------------------------------------------


def signs():
    with reading() as session:
        return {sign.label: (sign.word, sign.level) for sign in health.strip(session, datetime.now(UTC))}


def test_the_strip_of_a_site_where_nothing_runs(database):
    found = signs()
    assert found["Workers"] == ("silent", "bad")
    assert found["Clock"] == ("never seen", "bad")
    assert found["Redis"] == ("no answer", "bad")
    assert found["Mail server"] == ("not asked", "good")
    assert found["Oldest waiting"] == ("nothing waits", "good")
    assert found["Queues"] == ("none paused", "good")
    assert found["Failed jobs"] == ("0", "good")


def test_the_strip_of_a_site_where_all_is_well(database, redis_url):
    with writing() as session:
        for kind in ("worker", "sender", "outside", "clock"):
            session.add(Heartbeat(process=f"{kind} 1", kind=kind, started_at=NOW, at=datetime.now(UTC)))
        deliveries.owe(session, "welcome", 1, "subscriber:1", NOW)
        sent = session.query(Delivery).one()
        sent.state, sent.settled_at = "sent", datetime.now(UTC)
    found = signs()
    assert {label: level for label, (_, level) in found.items()} == dict.fromkeys(found, "good")
    assert found["Workers"][0] == "up"
    assert found["Mail server"][0] == "answered"


def test_the_strip_tells_what_is_wrong(database, setting):
    setting(ALERT_AGE="15m")
    with writing() as session:
        breakers.refused(session, "mail.example", "421 not now", NOW)
        session.add(Pause(queue="jobs", at=NOW, actor="olga", reason="mending"))
        session.add(Heartbeat(process="w", kind="worker", started_at=NOW, at=datetime.now(UTC)))
        session.add(Job(kind="K", payload={}, run_after=NOW, created_at=NOW, state="dead"))
        session.add(Job(kind="K", payload={}, run_after=datetime.now(UTC) - timedelta(minutes=20), created_at=NOW))
    found = signs()
    assert found["Mail server"] == ("refuses", "bad")
    assert found["Queues"] == ("1 paused", "warn")
    assert found["Workers"] == ("not all", "bad")
    assert found["Failed jobs"] == ("1", "bad")
    assert found["Oldest waiting"] == ("20 min", "warn")


def test_a_redis_that_hangs_keeps_no_page_waiting(database, setting):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        setting(REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        assert signs()["Redis"] == ("no answer", "bad")
        first, began = time.monotonic() - began, time.monotonic()
        signs()
        assert time.monotonic() - began < first, "it waits for that Redis once"


def test_what_is_slow_to_count_keeps_no_page_waiting(console, monkeypatch):
    monkeypatch.setattr(Cached, "patience", 0.05)
    counted = threading.Event()
    monkeypatch.setattr(overview._votes, "_ask", lambda session, now: counted.wait(30) and [])
    browser = console("viewer")
    try:
        assert "This chart is being counted." in browser.get("/operator").text
    finally:
        counted.set()


def test_an_old_answer_is_given_at_once_and_asked_anew_beside(sqlite):
    may_answer, asked = threading.Event(), []

    def ask(session, now):
        asked.append(now)
        return len(asked) if len(asked) == 1 or may_answer.wait(30) else 0

    question = Cached(ask, least=0.0)
    assert question() == 1
    ends = time.monotonic() + 20
    while len(asked) == 1 and time.monotonic() < ends:
        assert question() == 1  # at once, while the second answer is on its way
    assert question() == 1
    may_answer.set()
    while question() < 2 and time.monotonic() < ends:
        pass
    assert question() >= 2


def test_a_question_that_fails_is_asked_again(sqlite):
    asked = []

    def ask(session, now):
        asked.append(now)
        if len(asked) == 1:
            raise RuntimeError("the database is away")
        return 7

    question = Cached(ask, least=0.0)
    assert question() is None
    ends = time.monotonic() + 20
    while question() is None and time.monotonic() < ends:
        pass
    assert question() == 7


def test_what_an_alert_links_to_is_a_page_of_the_console(app, database):
    past = NOW - timedelta(hours=3)
    with writing() as session:
        breakers.refused(session, "mail.example", "421 not now", NOW - timedelta(minutes=5))
        session.add(Pause(queue="mail", at=past, actor="olga", reason="mending"))
        session.add(
            Job(kind="K", payload={}, run_after=past, created_at=past, state="dead", error="E", fingerprint="f")
        )
        session.add(Job(kind="K", payload={}, run_after=past, created_at=past))
        session.add(Heartbeat(process="w", kind="worker", started_at=past, at=NOW))
        digests.open_slot(session, "2026-W40", past, past)
    found, failed = worker_alerts.look(NOW)
    assert not failed
    assert {each.kind for each in found.values()} >= {"failures", "age", "paused", "late", "silent"}
    urls = app.url_map.bind("localhost")
    for each in found.values():
        path = each.link.partition("?")[0]
        assert urls.match(path, method="GET")[0].startswith("operator."), each.link


def test_the_foot_of_each_page_names_release_and_revision(console):
    text = console("viewer").get("/operator/digests").text
    assert f"Verdicts {RELEASE}, revision {REVISION}" in text
