"""The audit log: found by who, what, about and when, page by page, and by command."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from db.operators import audit
from db.operators.audit import Actor
from db.session import reading, writing
from web.cli import main

DANA, FINN = Actor("dana@newsroom.example", "198.51.100.7"), Actor("finn@newsroom.example")
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


@pytest.fixture
def entries(database) -> list[int]:
    """Sixty orders, a day apart: Dana retries jobs, Finn holds the digest every third day."""
    with writing() as session:
        made = [
            audit.record(session, FINN, "digest.hold", NOON - timedelta(days=59 - at), about="digest 2026-W47", ids=[7],
                       before={"state": "draft"}, after={"state": "held"}, note=f"note {at} <b>")
            if at % 3 == 0 else
            audit.record(session, DANA, "jobs.retry", NOON - timedelta(days=59 - at), ids=[1, 2, 3, 9],
                       chosen_by={"kind": "VotesCast", "queue": None})
            for at in range(60)
        ]  # fmt: skip
        session.flush()
        return [entry.id for entry in made]


def shown(page: str) -> list[int]:
    return [int(part.split('"')[0]) for part in page.split('href="/operator/audit/')[1:]]


def test_fifty_on_a_page_and_the_rest_on_the_next_whatever_comes_in_between(console, entries):
    browser = console("operator")
    first = browser.get("/operator/audit").text
    older = first.split('class="btn" href="')[-1].split('"')[0].replace("&amp;", "&")
    with writing() as session:
        audit.record(session, DANA, "jobs.retry", datetime.now(UTC))
    second = browser.get(older).text
    assert len(shown(first)) == 50
    both = shown(first) + shown(second)
    assert both[1:] == entries[::-1]  # above them stands the login
    assert ">Older<" not in second


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("actor=dana@newsroom.example", 40),
        ("action=digest.hold", 20),
        ("action=digest.", 20),
        ("about=digest+2026-W47", 20),
        ("since=2026-11-08&until=2026-11-09", 2),
        ("until=2026-09-15", 4),
        ("actor=dana@newsroom.example&action=digest.", 0),
    ],
)
def test_filters_are_in_the_address(console, entries, asked, count):
    assert len(shown(console("operator").get(f"/operator/audit?{asked}").text)) == count


def test_an_address_cannot_bend_the_links_of_the_pages(console, entries):
    page = console("operator").get(
        "/operator/audit?_external=1&_scheme=javascript&_anchor=x&actor=dana@newsroom.example"
    )
    assert "javascript" not in page.text
    assert console("editor").get("/operator/audit").status_code == 403


def test_what_is_no_day_is_refused(console):
    browser = console("operator")
    for day in ("yesterday", "9999-12-31", "2026-13-01"):
        assert browser.get(f"/operator/audit?until={day}").status_code == 400, day


def test_an_entry_tells_before_and_after_and_why(console, entries):
    browser = console("operator")
    page = browser.get(f"/operator/audit/{entries[0]}").text
    assert '<td data-l="Before">draft</td><td data-l="After">held</td>' in page
    assert "note 0 &lt;b&gt;" in page
    retried = browser.get(f"/operator/audit/{entries[1]}").text
    assert "Chosen by kind" in retried
    assert "Chosen by queue" not in retried
    assert "1-3,9" in retried
    assert "198.51.100.7" in retried
    assert browser.get("/operator/audit/999999").status_code == 404


def test_the_command_lists_the_same(entries):
    def run(*words: str) -> list[dict]:
        return json.loads(CliRunner().invoke(main, ["audit", "list", "--json", *words]).stdout)

    assert [row["id"] for row in run("--limit", "3")] == entries[:-4:-1]
    assert {row["action"] for row in run("--action", "digest.")} == {"digest.hold"}
    assert len(run("--since", "2026-11-08", "--until", "2026-11-10")) == 2
    assert run("--before", str(entries[1]))[0]["id"] == entries[0]
    assert "digest.hold" in CliRunner().invoke(main, ["audit", "list"]).output


def test_every_question_is_answered_by_an_index(sqlite):
    with reading() as session:
        for condition, index in (
            ("actor = 'x'", "ix_audit_actor"),
            ("action >= 'jobs.' AND action < 'jobs/'", "ix_audit_action"),
            ("about = 'x'", "ix_audit_about"),
        ):
            sql = f"EXPLAIN QUERY PLAN SELECT * FROM audit WHERE {condition} ORDER BY id DESC LIMIT 51"
            assert index in str(session.execute(text(sql)).all()), condition
