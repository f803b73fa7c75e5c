"""Readers at a real browser: with and without JavaScript, by keyboard alone, on a phone."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from db.digests import catalog
from db.session import reading, writing
from db.settings import settings
from db.subscribers import subscribers
from emails import links
from tests.mailed_links import delivered_to

pytestmark = pytest.mark.browser

PAGE = "/compare/quillmate-vs-inkwell"
ALICE = "alice@reader.example"


def sign_up(address=ALICE):
    with reading() as session:
        found = subscribers.by_address(session, address)
        return found.state, subscribers.history(session, found.id)[-1].id, found.id


# ---- voting ------------------------------------------------------------------------------------------------------


def test_alice_votes_without_javascript(open_browser, catalogue):
    page = open_browser(java_script_enabled=False)
    page.goto(PAGE)
    form = page.locator("form.vote").first
    form.get_by_role("button", name="Ship").click()
    page.wait_for_url("**#quillmate")
    assert form.get_by_role("status").inner_text() == "Counted: you said ship."
    assert form.get_by_role("button", name="Ship").get_attribute("aria-pressed") == "true"
    form.get_by_role("button", name="Withdraw my vote").click()
    assert "You haven’t voted yet" in form.get_by_role("status").inner_text()


def test_with_javascript_the_page_stays_and_says_it(open_browser, catalogue):
    page = open_browser()
    page.goto(PAGE)
    page.evaluate("window.stayed = true")
    form = page.locator("form.vote").first
    form.get_by_role("button", name="Skip").click()
    page.get_by_text("Counted: you said skip.").wait_for()
    assert page.locator("#quillmate").get_by_text("0%", exact=True).is_visible()
    assert page.locator("#quillmate").get_by_label("0% of 1 vote says ship").is_visible()
    assert page.evaluate("document.activeElement.value") == "skip"
    form.get_by_role("button", name="Ship").click()
    page.get_by_text("Counted: you said ship.").wait_for()
    form.get_by_role("button", name="Withdraw my vote").click()
    form.get_by_text("You haven’t voted yet").wait_for()
    assert page.evaluate("document.activeElement.value") == "ship"
    assert page.evaluate("window.stayed") is True
    assert form.get_by_role("button").count() == 2


def test_presses_in_haste_end_with_the_last(open_browser, catalogue):
    page = open_browser()
    page.goto(PAGE)
    page.evaluate(
        "for (const said of ['ship', 'skip', 'ship', 'skip'])"
        " document.querySelector(`form.vote [value=${said}]`).click()"
    )
    page.get_by_text("Counted: you said skip.").wait_for()
    page.wait_for_function("!document.querySelector('[aria-busy]')")
    page.reload()
    assert page.get_by_text("Counted: you said skip.").is_visible()


def test_a_vote_that_does_not_arrive_is_said(open_browser, catalogue):
    page = open_browser()
    page.goto(PAGE)
    page.route("**/vote", lambda route: route.fulfill(status=403, body="<p class=note>Not from here.</p>"))
    page.locator("form.vote").first.get_by_role("button", name="Ship").click()
    page.get_by_text("Not from here.").wait_for()
    assert page.locator("form.vote .note-error").is_visible()
    assert ["403" in said for said in open_browser.complaints] == [True]
    open_browser.complaints.clear()


@pytest.mark.parametrize("script", [True, False])
def test_a_reader_whose_network_voted_too_often_reads_when_to_try_again(setting, open_browser, catalogue, script):
    setting(VOTES_PER_NETWORK=1)
    for page in (open_browser(), open_browser(java_script_enabled=script)):
        page.goto(PAGE)
        page.locator("form.vote").first.get_by_role("button", name="Ship").click()
        page.locator(".note", has_text="ounted").first.wait_for()
    note = page.locator(".note-error")
    assert re.search(r"yours wasn’t counted. Please try again in \d+ seconds.", note.inner_text())
    assert (page.url.partition("://")[2].partition("/")[2] == PAGE[1:]) == script, "with a script the page stays"
    assert ["429" in said for said in open_browser.complaints] == [True]
    open_browser.complaints.clear()


def test_by_keyboard_alone(open_browser, catalogue):
    page = open_browser()
    page.goto(PAGE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.value") == "ship":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    page.keyboard.press("Enter")
    page.get_by_text("Counted: you said ship.").wait_for()
    page.locator("#email_field").focus()
    page.keyboard.type(ALICE)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Check your inbox").wait_for()
    assert sign_up()[0] == "pending"


# ---- coming and leaving --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False])
def test_alice_comes_votes_from_her_letter_and_leaves(open_browser, catalogue, scripts):
    page = open_browser(width=360, height=740, java_script_enabled=scripts)
    page.goto("/")
    page.get_by_label("Email address").fill(ALICE)
    page.get_by_role("button", name="Subscribe").click()
    page.get_by_role("heading", name="Check your inbox").wait_for()

    keys, (_, asked, alice) = settings().keys, sign_up()
    page.goto("/confirm/" + links.sign(keys, "confirm", asked))
    assert page.get_by_role("navigation").count() == 0
    page.get_by_role("button").click()
    page.get_by_role("heading", name="You’re subscribed").wait_for()
    assert sign_up()[0] == "active"

    page.goto("/vote/" + links.sign(keys, "vote", alice, delivered_to(alice)) + "?tool=inkwell&choice=skip")
    page.get_by_role("button", name="Skip Inkwell").click()
    page.get_by_text("Counted: your vote on Inkwell is skip.").wait_for()
    page.goto("/tools/inkwell")
    assert page.get_by_text("Counted: you said skip.").is_visible()

    page.goto("/unsubscribe/" + links.sign(keys, "unsubscribe", alice))
    page.get_by_role("button").click()
    page.get_by_role("heading", name="You’re unsubscribed").wait_for()
    assert sign_up()[0] == "unsubscribed"


def test_looking_at_links_with_scripts_on_changes_nothing(open_browser, catalogue):
    page = open_browser()
    page.goto("/")
    page.get_by_label("Email address").fill(ALICE)
    page.get_by_role("button", name="Subscribe").click()
    _, asked, alice = sign_up()
    keys = settings().keys
    for purpose, subject in (("confirm", asked), ("unsubscribe", alice)):
        page.goto(f"/{purpose}/" + links.sign(keys, purpose, subject), wait_until="networkidle")
    assert sign_up()[0] == "pending"


# ---- how it looks ----------------------------------------------------------------------------------------------------

NAMES = {
    "emoji": "🎉" * 60,
    "rtl": "مساعد البرمجة الذكي",
    "word": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk" * 2,
    "plain": "Thornbill 4 API: Tool Calls as They Come & Kept Prompts",
}


def put_hard_names():
    now = datetime.now(UTC)
    with writing() as session:
        for slug, name in NAMES.items():
            fields = dict.fromkeys(("category", "tagline", "entry", "summary"), name)
            catalog.put_tool(session, slug, fields | {"name": name, "url": "https://x.example"}, [])
        for n, pair in enumerate((("emoji", "rtl"), ("word", "plain"))):
            catalog.put_comparison(session, "-".join(pair), pair, "Which? " * 20, now - timedelta(days=n), now)


def test_no_page_scrolls_sideways(open_browser, catalogue):
    put_hard_names()
    page = open_browser()
    for path in ("/", "/archive", PAGE, "/compare/emoji-rtl", "/compare/word-plain", "/tools/word", "/outbox"):
        page.goto(path)
        for width in (320, 360, 768, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


def test_what_is_pressed_is_large_enough(open_browser, catalogue):
    page = open_browser(width=360)
    page.goto(PAGE)
    for button in page.locator("button:visible, .masthead li a").all():
        box = button.bounding_box()
        assert box["height"] >= 44, button.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_two_papers(open_browser, catalogue, scheme):
    page = open_browser(color_scheme=scheme)
    page.goto(PAGE)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(244, 246, 245)", "dark": "rgb(15, 20, 22)"}[scheme]
