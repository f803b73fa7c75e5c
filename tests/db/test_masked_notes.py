"""The migration that masks what earlier releases wrote: audit entries at once, everything else by the erasures' job."""

import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db import migrations
from db.addresses import hashes_of
from db.session import reading, writing
from tests import filled
from tests.db.test_upgrade import empty  # noqa: F401  a database of an older release, of each kind
from tests.erasing import work
from tests.filled import QUOTED, STORED
from tests.schemas import at_revision

BEFORE = "0023"
ENTRY = (
    "INSERT INTO audit (at, actor, action, about, count, before, note)"
    " VALUES ('2026-11-17', 'dana@newsroom.example', :action, :about, 1, :before, :note)"
)


@pytest.fixture
def older(empty) -> None:  # noqa: F811
    """A site of release 0.4.0 that erased Zelda, and on which texts still quote her."""
    at_revision(BEFORE)
    with writing() as session:
        rows = [
            {"action": "queue.pause", "about": "queue mail", "before": json.dumps({"why": [QUOTED]}), "note": QUOTED},
            {"action": "account.add", "about": "operator bob@newsroom.example", "before": None, "note": None},
            {"action": "jobs.retry", "about": "job 1", "before": None, "note": "{half a note}"},
        ]
        for row in rows * 3:
            session.execute(text(ENTRY), row)
        session.execute(text("INSERT INTO subscribers (state, created_at) VALUES ('erased', '2026-11-17')"))
        session.execute(
            text("INSERT INTO suppressions (address_hash, reason, at) VALUES (:hash, 'erased', '2026-11-17')"),
            {"hash": hashes_of(STORED)[0]},
        )
        session.execute(
            text(
                "INSERT INTO jobs (kind, payload, state, attempt, allowed, run_after, trigger, created_at, said) VALUES"
                " ('Any', '{}', 'dead', 6, 6, '2026-11-17', 'event', '2026-11-17', :said)"
            ),
            {"said": QUOTED},
        )


def audit() -> list[tuple]:
    with reading() as session:
        return [tuple(row) for row in session.execute(text("SELECT action, about, count, note FROM audit ORDER BY id"))]


def test_what_earlier_releases_wrote_about_zelda_is_masked_and_the_audit_says_so(older):
    assert {"audit.note", "audit.before", "jobs.said"} <= filled.in_tables()
    migrations.upgrade()
    assert filled.in_tables() == {"jobs.said"}
    *entries, said = audit()
    assert said[:3] == ("people.mask", "audit", 3)
    assert entries[1] == ("account.add", "operator bob@newsroom.example", 1, None)
    assert entries[2] == ("jobs.retry", "job 1", 1, "{half a note}")
    work()
    assert filled.in_tables() == set()
    with reading() as session:
        states = set(session.execute(text("SELECT kind, state FROM jobs")))
    assert states >= {("PersonsErased", "succeeded"), ("TracesMasked", "succeeded")}


def test_the_audit_stays_append_only(older):
    migrations.upgrade()
    for query in ("UPDATE audit SET note = 'x'", "DELETE FROM audit"):
        with pytest.raises(DBAPIError, match="append-only"), writing() as session:
            session.execute(text(query))


def test_it_works_in_pages_and_goes_on_after_a_kill(older, monkeypatch):
    monkeypatch.setattr("db.migrations.steps.PAGE", 2)
    monkeypatch.setattr("db.migrations.steps.GAP", 0)
    pages, in_pages = [], migrations.steps.pages

    def killed(table, columns):
        for page in in_pages(table, columns):
            yield page
            pages.append(table)
            if pages.count("audit") == 2:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("db.migrations.steps.pages", killed)
        with pytest.raises(KeyboardInterrupt):
            migrations.upgrade()
    migrations.upgrade()
    assert not {each for each in filled.in_tables() if each.startswith("audit.")}


def test_a_new_site_owes_nothing(database):
    assert audit() == []
    with reading() as session:
        assert session.scalar(text("SELECT count(*) FROM jobs")) == 0
