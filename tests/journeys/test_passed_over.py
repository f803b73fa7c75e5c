"""After an upgrade from a release that looked back 14 days only, an editor decides about what it passed over."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta

import psycopg
import pytest
from sqlalchemy import bindparam, text
from sqlalchemy.engine import make_url

from db import migrations, schema
from db.digests import digests, schedule
from db.engine import engine
from db.session import Moment, reading, writing
from tests.journeys.test_between_digests import TUESDAY, look, said, verdicts
from tests.schemas import at_revision
from tests.worker.digests.test_digests import join
from worker.alerts import checks
from worker.digests import weekly_run as run

BEFORE = "0017"
"""The revision before comparisons could be archived."""
TOOL = text(
    "INSERT INTO tools (id, slug, name, category, tagline, entry, url, summary) "
    "VALUES (:id, 'tool-' || :id, 'Tool ' || :id, 'Code', 'One', 'Free', 'https://tool.example', 'It is.')"
)
COMPARISON = text(
    "INSERT INTO comparisons (id, slug, question, a_id, b_id, publish_at) "
    "VALUES (:id, 'old-' || :id, 'Which?', 1, 2, :at)"
).bindparams(bindparam("at", type_=Moment()))


@pytest.fixture
def old_site(request, house, setting, clock) -> Iterator[None]:
    """The database of a release that looked back 14 days only: SQLite's, unless the test names a kind."""
    schema.forget()
    with ExitStack() as stack:
        url = f"sqlite:///{house}/old.sqlite3"
        if getattr(request, "param", "sqlite") == "postgresql":
            url = stack.enter_context(fresh_postgresql(request.getfixturevalue("_postgresql_server")))
        setting(DATABASE_URL=url)
        at_revision(BEFORE)
        with writing() as session:
            session.execute(TOOL, [{"id": 1}, {"id": 2}])
        yield
        engine().dispose()


@contextmanager
def fresh_postgresql(server: str) -> Iterator[str]:
    address = make_url(server)
    name = f"between_{time.monotonic_ns()}"
    plain = address.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield address.set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def put_old(first: int, number: int, days: int, now: datetime) -> None:
    """Comparisons published so many days ago, an hour apart."""
    moments = [now - timedelta(days=days, hours=n) for n in range(number)]
    with writing() as session:
        session.execute(COMPARISON, [{"id": first + n, "at": moment} for n, moment in enumerate(moments)])


def upgrade(clock, cast) -> None:
    migrations.upgrade()
    schema.forget()
    with writing() as session:
        schedule.started(session, "digest", clock.now - timedelta(days=30))
    join(cast.alice, clock.now)


@pytest.mark.parametrize("old_site", ["sqlite", "postgresql"], indirect=True)
def test_eleven_old_ones_hold_the_first_draft_with_their_list_until_an_editor_releases_it(old_site, clock, cast):
    put_old(1, 11, 15, clock.now)
    put_old(12, 1, 1, clock.now)
    upgrade(clock, cast)
    run.tick()
    draft = look("2026-W47")
    assert draft.state == "held"
    assert draft.reason.startswith("11 comparisons that earlier releases passed over")
    assert "Tool 1 vs Tool 2" in draft.reason
    assert "and 8 more" in draft.reason
    with reading() as session:
        [alert] = checks.passed_over(session, clock.now)
    assert (alert.title, alert.told[0]) == ("Digest 2026-W47 waits for an editor: old comparisons", draft.reason)
    assert "release it first" in verdicts("digest", "send", "2026-W47", code=1)
    verdicts("digest", "skip", "2026-W47")  # nobody has looked yet: the next one is held as well
    clock.set(TUESDAY + timedelta(weeks=1))
    run.tick()
    assert look("2026-W48").state == "held"
    verdicts("digest", "release", "2026-W48")
    run.tick()
    assert look("2026-W48").state == "sending"
    assert len(said("2026-W48")) == 12


def test_ten_old_ones_stand_in_the_first_digest(old_site, clock, cast):
    put_old(1, 10, 15, clock.now)
    upgrade(clock, cast)
    clock.set(TUESDAY)
    run.tick()
    assert look("2026-W47").state == "sending"
    assert len(said("2026-W47")) == 10


def test_recent_ones_that_wait_for_their_digest_hold_nothing(old_site, clock, cast):
    put_old(1, 11, 2, clock.now)
    upgrade(clock, cast)
    clock.set(TUESDAY)
    run.tick()
    assert look("2026-W47").state == "sending"


def test_a_draft_that_was_open_at_the_upgrade_does_not_send_them(old_site, clock, cast):
    put_old(1, 11, 15, clock.now)
    upgrade(clock, cast)
    with writing() as session:
        digests.open_slot(session, "2026-W47", TUESDAY - timedelta(seconds=1), clock.now)
    run.freeze_due(clock.set(TUESDAY))
    assert look("2026-W47").state == "held"


def test_nobody_sends_them_by_hand_without_having_seen_them(old_site, clock, cast):
    put_old(1, 11, 15, clock.now)
    upgrade(clock, cast)
    for options in ([], ["--dry-run"]):
        told = verdicts("digest", "send", "2026-W47", *options, code=1)
        assert "11 comparisons that earlier releases passed over would stand in it" in told
    told = verdicts("digest", "assemble", "2026-W47")
    assert told.startswith(
        "2026-W47 is held: 11 comparisons that earlier releases passed over would stand in it: Tool 1"
    )
    verdicts("digest", "release", "2026-W47")
    verdicts("digest", "send", "2026-W47")
    assert len(said("2026-W47")) == 11


def test_archived_by_an_editor_they_stand_in_no_digest_and_the_draft_goes_at_its_hour(old_site, clock, cast):
    put_old(1, 11, 15, clock.now)
    put_old(12, 1, 1, clock.now)
    upgrade(clock, cast)
    run.tick()
    assert verdicts("comparisons", "list").count("passed over") == 11
    assert "11 comparisons would be archived" in verdicts("comparisons", "archive", "--passed-over", "--dry-run")
    assert look("2026-W47").state == "held"
    assert "11 comparisons archived" in verdicts("comparisons", "archive", "--passed-over")
    assert (look("2026-W47").state, look("2026-W47").reason) == ("draft", None)
    assert said("2026-W47") == ["old-12"]
    assert "comparisons.archive" in verdicts("audit", "list")
    clock.set(TUESDAY)
    run.tick()
    assert said("2026-W47") == ["old-12"]
    assert look("2026-W47").state == "sending"
    assert "No comparison is new" in verdicts("comparisons", "list")


def test_archived_after_its_hour_the_draft_waits_for_a_last_word(old_site, clock, cast):
    put_old(1, 11, 15, clock.now)
    put_old(12, 1, 1, clock.now)
    upgrade(clock, cast)
    clock.set(TUESDAY)
    run.tick()
    verdicts("comparisons", "archive", "--passed-over")
    run.tick()
    assert look("2026-W47").state == "held"
    assert "archived after its hour" in look("2026-W47").reason
    verdicts("digest", "release", "2026-W47")
    run.tick()
    assert said("2026-W47") == ["old-12"]


def test_one_of_the_archive_is_taken_out_again_and_a_wrong_name_changes_nothing(old_site, clock, cast):
    put_old(1, 2, 15, clock.now)
    upgrade(clock, cast)
    for options in ([], ["--dry-run"]):
        told = verdicts("comparisons", "archive", "old-1", "nobody", *options, code=1)
        assert "There is no comparison nobody" in told
    assert "2 comparisons would be archived" in verdicts("comparisons", "archive", "old-1", "old-2", "--dry-run")
    assert "2 comparisons archived" in verdicts("comparisons", "archive", "old-1", "old-2")
    assert "0 comparisons archived" in verdicts("comparisons", "archive", "old-1")
    assert "1 comparison taken out" in verdicts("comparisons", "unarchive", "old-2")
    verdicts("comparisons", "archive", code=1)
    clock.set(TUESDAY)
    run.tick()
    assert said("2026-W47") == ["old-2"]
