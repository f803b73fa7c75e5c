"""A browser's first votes, pressed one right after the other on a slow site, are one voter's."""

import time

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from db.session import reading
from db.votes import votes
from web.readers import votes as votes_of_readers

PAGE = "/compare/quillmate-vs-inkwell"
PRESS_ALL = "document.querySelectorAll('form.vote button[value=ship]').forEach((each) => each.click())"


@pytest.fixture
def slow(monkeypatch):
    """A site that takes three quarters of a second for each vote."""
    cast = votes.cast_at_once

    def slowly(*given):
        time.sleep(0.75)
        return cast(*given)

    monkeypatch.setattr(votes_of_readers.votes, "cast_at_once", slowly)


def voters() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(votes.Vote.voter)))


def counted(page, number: int) -> None:
    expect(page.locator("form.vote [aria-pressed=true]")).to_have_count(number)


@pytest.mark.parametrize("locks", [True, False], ids=["with locks", "without locks"])
def test_two_tools_pressed_at_once_are_one_voters(open_browser, catalogue, slow, locks):
    page = open_browser()
    if not locks:
        page.add_init_script("Object.defineProperty(navigator, 'locks', { value: undefined })")
    page.goto(PAGE)
    page.evaluate(PRESS_ALL)
    counted(page, 2)
    assert len(voters()) == 2
    assert len(set(voters())) == 1


def test_two_tabs_pressed_at_once_are_one_voters(open_browser, catalogue, slow):
    one = open_browser()
    other = one.context.new_page()
    for page, path in ((one, "/tools/quillmate"), (other, "/tools/inkwell")):
        page.goto(path)
    for page in (one, other):
        page.evaluate(PRESS_ALL)
    for page in (one, other):
        counted(page, 1)
    assert len(voters()) == 2
    assert len(set(voters())) == 1


def test_later_votes_do_not_wait_for_one_another(open_browser, catalogue, slow):
    page = open_browser()
    page.goto(PAGE)
    page.evaluate(PRESS_ALL)
    counted(page, 2)
    asked = []
    page.on("request", lambda each: asked.append(each.url) if each.method == "POST" else None)
    page.route("**/quillmate/vote", lambda route: None)  # it is never answered
    page.evaluate(PRESS_ALL.replace("ship", "skip"))
    expect(page.locator("form.vote [aria-pressed=true][value=skip]")).to_have_count(1)
    assert len(asked) == 2


def test_a_first_vote_that_is_never_answered_holds_up_the_next_for_a_while_only(open_browser, catalogue):
    page = open_browser()
    page.clock.install()
    page.goto(PAGE)
    page.route("**/quillmate/vote", lambda route: None)
    page.evaluate(PRESS_ALL)
    page.clock.run_for(10_000)
    assert voters() == []
    page.clock.run_for(40_000)
    counted(page, 1)
    assert len(voters()) == 1


def test_a_first_vote_that_is_refused_lets_the_next_be_the_first(open_browser, catalogue):
    page = open_browser()
    page.goto(PAGE)
    page.route("**/quillmate/vote", lambda route: route.abort())
    page.evaluate(PRESS_ALL)
    counted(page, 1)
    page.get_by_text("Your vote didn’t reach us").wait_for()
    open_browser.complaints[:] = [each for each in open_browser.complaints if "net::ERR_FAILED" not in each]
    assert len(voters()) == 1
