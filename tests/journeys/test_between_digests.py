"""Nothing published is lost between two digests, nor is it all poured into one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from db.digests import catalog, digests, schedule, shown
from db.driver import driver_reading
from db.session import reading, writing
from emails.letters import DigestContent
from tests.conftest import load_catalogue
from tests.worker.digests.test_digests import join
from web.cli import main
from worker.digests import weekly_run as run

pytestmark = pytest.mark.once

TUESDAY = datetime(2026, 11, 17, 9, 0, 1, tzinfo=UTC)
BACKLOG = """
tools:
  - {{slug: larkspur, name: Larkspur, category: Code, tagline: Reads, entry: Free, url: "https://larkspur.example",
     summary: It reads.}}
  - {{slug: second-pair, name: Second Pair, category: Code, tagline: Pairs, entry: Paid, url: "https://pair.example",
     summary: It pairs.}}
comparisons:
{comparisons}
"""


def backlog(number: int, **more: str) -> str:
    """A content file with so many comparisons, one a week, the newest of last week."""
    said = "".join(f", {name}: {value}" for name, value in more.items())
    return BACKLOG.format(comparisons="\n".join(
        f"  - {{tools: [larkspur, second-pair], question: Which one, slug: old-{n}, "
        f"publish_at: {TUESDAY - timedelta(weeks=1 + n):%Y-%m-%d}{said}}}" for n in range(number)
    ))  # fmt: skip


def verdicts(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == code, done.output
    return done.output


def load(content: str, *options: str) -> str:
    Path("week.yaml").write_text(content)
    return verdicts("import", "week.yaml", *options)


def publish(slug: str, at: datetime) -> None:
    with writing() as session:
        catalog.put_comparison(session, slug, ("inkwell", "patchbay"), "Which?", at, at)


def look(slot: str) -> digests.Digest:
    with reading() as session:
        return digests.get(session, slot)


def said(slot: str) -> list[str]:
    """The comparisons of a digest, in order."""
    content = look(slot).content
    return [each.slug for each in DigestContent.from_json(content).comparisons] if content else []


@pytest.fixture
def reading_alice(clock, cast, database) -> None:
    """A schedule that has been at work for a month, and Alice who reads."""
    with writing() as session:
        schedule.started(session, "digest", clock.now - timedelta(days=30))
    join(cast.alice, clock.now)


# ---- weeks without a digest --------------------------------------------------------------------------------------


def test_after_three_skipped_weeks_everything_stands_in_the_next_digest_and_in_no_other(reading_alice, clock):
    load_catalogue()
    for week in (47, 48, 49):
        publish(f"news-of-{week}", clock.now)
        verdicts("digest", "skip", f"2026-W{week}", "--reason", "holidays")
        clock.forward(days=7)
    clock.set(TUESDAY + timedelta(weeks=3))
    run.tick()
    assert said("2026-W50") == ["news-of-49", "news-of-48", "news-of-47", "quillmate-vs-inkwell"]
    assert look("2026-W50").state == "sending"
    publish("news-of-50", clock.now)
    publish("news-of-47", clock.now - timedelta(weeks=3))  # the same file again
    clock.set(TUESDAY + timedelta(weeks=4))
    run.tick()
    assert said("2026-W51") == ["news-of-50"]


def test_what_is_withdrawn_waits_for_its_new_day_however_old_it_is(reading_alice, clock):
    load_catalogue(published=clock.now - timedelta(days=300))
    again = clock.now + timedelta(days=3)
    with writing() as session:
        pair = ("quillmate", "inkwell")
        catalog.put_comparison(session, "quillmate-vs-inkwell", pair, "Which one writes?", again, clock.now)
    clock.set(TUESDAY)
    run.tick()
    assert (look("2026-W47").state, look("2026-W47").reason) == ("skipped", "no comparison is new")
    clock.set(TUESDAY + timedelta(weeks=1))
    run.tick()
    assert said("2026-W48") == ["quillmate-vs-inkwell"]


# ---- an archive moves in -----------------------------------------------------------------------------------------


def test_an_archive_of_five_hundred_moves_in_and_the_next_letter_holds_only_what_is_new(reading_alice, clock):
    told = load(backlog(500), "--archive")
    assert "comparisons: 500 added, 500 archived" in told
    assert "Warning" not in told
    load_catalogue()
    clock.set(TUESDAY)
    run.tick()
    assert said("2026-W47") == ["quillmate-vs-inkwell"]
    with driver_reading() as driver:
        assert shown.count(driver, clock.now) == 501  # on the web they are all there


@pytest.mark.parametrize(
    ("content", "archived"),
    [
        (backlog(3) + "archive: true\n", ["old-0", "old-1", "old-2"]),
        (backlog(3, archive="true"), ["old-0", "old-1", "old-2"]),
        (backlog(3, archive="false") + "archive: true\n", []),
        (backlog(3), []),
    ],
    ids=["the whole file", "each of them", "not these", "no word"],
)
def test_the_file_itself_can_say_what_is_archived(reading_alice, clock, content, archived):
    load(content)
    rest = [each for each in ("old-0", "old-1", "old-2") if each not in archived]
    clock.set(TUESDAY)
    run.tick()
    assert said("2026-W47") == rest


def test_what_is_archived_before_its_day_stands_in_no_digest_afterwards(reading_alice, clock):
    load(backlog(1).replace("2026-11-10", "2026-11-19"), "--archive")
    clock.set(TUESDAY + timedelta(weeks=1))
    run.tick()
    assert look("2026-W48").reason == "no comparison is new"
    assert catalogued("old-0", clock.now)


def catalogued(slug: str, now: datetime) -> bool:
    with reading() as session:
        return catalog.comparison(session, slug, now) is not None


def test_the_same_file_again_archives_what_waits_and_nothing_that_was_sent(reading_alice, clock):
    load(backlog(2))
    clock.set(TUESDAY)
    run.tick()
    assert said("2026-W47") == ["old-0", "old-1"]
    told = load(backlog(4), "--archive")
    assert "comparisons: 2 added, 2 archived, 2 unchanged" in told
    assert "comparisons: 4 unchanged" in load(backlog(4), "--archive")
    assert "4 unchanged" in load(backlog(4))  # a file without a word on it leaves them in the archive
    clock.forward(weeks=1)
    run.tick()
    assert look("2026-W48").reason == "no comparison is new"
    assert "2 unarchived" in load(backlog(4, archive="false"))
    verdicts("digest", "send", "2026-W48")
    assert said("2026-W48") == ["old-2", "old-3"]


@pytest.mark.parametrize(("number", "warned"), [(10, False), (11, True)])
def test_a_script_goes_on_and_is_warned_when_more_than_ten_are_new(reading_alice, clock, number, warned):
    told = load(backlog(number))
    assert (f"Warning: {number} comparisons are new and will all stand in the next digest" in told) is warned
    assert "Warning" not in load(backlog(number))  # they are here already
    clock.set(TUESDAY)
    run.tick()
    assert len(said("2026-W47")) == number
    assert look("2026-W47").state == "sending"


def test_weeks_planned_ahead_do_not_count_as_one_digest(reading_alice, clock):
    planned = backlog(12)
    for n in range(12):
        old, new = TUESDAY - timedelta(weeks=1 + n), TUESDAY + timedelta(weeks=n, days=-3)
        planned = planned.replace(f"{old:%Y-%m-%d}", f"{new:%Y-%m-%d}")
    assert "Warning" not in load(planned)
