"""What pages read past SQLAlchemy is what its objects hold."""

from datetime import timedelta

import pytest

from db.digests import catalog, digests, shown
from db.driver import driver_connection_of
from db.session import reading, writing
from db.votes import tallies, votes
from tests.conftest import START


@pytest.fixture
def several(catalogue):
    with writing() as session:
        for n in range(5):
            at = START - timedelta(days=2 + n // 2)
            catalog.put_comparison(
                session, f"more-{n}", ("patchbay", ("quillmate", "inkwell")[n % 2]), "Which?", at, at
            )
        catalog.put_comparison(session, "later", ("quillmate", "patchbay"), "?", START + timedelta(days=1), START)
    return catalogue


def told(found) -> tuple:
    return (found.slug, found.question, found.publish_at, found.heading, *(_tool(tool) for tool in found.tools))


def _tool(tool) -> tuple:
    reviews = [
        (each.reviewer, each.lens) if isinstance(each.reviewer, str) else (each.reviewer.name, each.reviewer.lens)
        for each in tool.reviews
    ]
    said = [(each.verdict, each.quote) for each in tool.reviews]
    return tool.id, tool.slug, tool.name, tool.tagline, tool.entry, tool.url, tool.summary, tool.panel, reviews, said


def test_comparisons_and_tools_are_the_same(several):
    with reading() as session, driver_connection_of(session) as driver:
        for limit, offset in ((3, 0), (3, 2), (50, 0), (3, 50)):
            plain, objects = (
                room.latest(source, START, limit, offset) for room, source in ((shown, driver), (catalog, session))
            )
            assert list(map(told, plain)) == list(map(told, objects))
        for tool_id in (several.patchbay, several.quillmate, 99):
            plain, objects = (
                room.comparisons_of(source, tool_id, START) for room, source in ((shown, driver), (catalog, session))
            )
            assert list(map(told, plain)) == list(map(told, objects))
        assert told(shown.comparison(driver, "more-1", START)) == told(catalog.comparison(session, "more-1", START))
        assert _tool(shown.tool(driver, "inkwell")) == _tool(catalog.tool(session, "inkwell"))
        assert shown.comparison(driver, "later", START) is shown.tool(driver, "nothing") is None


def test_the_last_digest_is_the_one_that_began_to_go_out_last(several):
    with writing() as session:
        for week, state in ((45, "finished"), (46, "paused"), (47, "cancelled"), (48, "draft")):
            at = None if state == "draft" else START + timedelta(weeks=week)
            session.add(digests.Digest(slot=f"2026-W{week}", due_at=START, opened_at=START, state=state, frozen_at=at))
    with reading() as session, driver_connection_of(session) as driver:
        assert shown.latest_slot(driver) == digests.latest_slot(session) == "2026-W46"


def test_figures_and_weeks_are_the_same(several):
    for days in (400, 91, 84, 83, 77, 76, 30, 7, 6, 1, 0):
        at = START - timedelta(days=days)
        with writing() as session:
            votes.cast(session, votes.new_voter(), several.quillmate, ("ship", "skip")[days % 2], at)
            votes.cast(session, "subscriber:1", several.inkwell, ("ship", "skip")[days // 2 % 2], at)
            while tallies.fold(session, at):
                pass
    ids = [several.quillmate, several.inkwell, several.patchbay]
    with reading() as session, driver_connection_of(session) as driver:
        for today in (START.date(), START.date() + timedelta(days=3), START.date() - timedelta(days=40)):
            figures, weeks = tallies.shown(driver, ids, today)
            assert figures == tallies.figures(session, ids) == tallies.shown(driver, ids, today, 0)[0]
            for tool_id in ids:
                assert weeks[tool_id] == [each for _, each in tallies.trend(session, tool_id, today)]
        assert tallies.shown(driver, [], START.date()) == ({}, {})
