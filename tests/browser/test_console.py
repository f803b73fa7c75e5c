"""The console in a real browser: its main paths by keyboard alone, one without scripts, every page held against axe."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pyotp
import pytest
from playwright.sync_api import Page
from sqlalchemy import select

from db.digests import digests
from db.jobs.jobs import Job
from db.operators.audit import AuditEntry
from db.session import reading
from tests import failed, newsroom, operators, walking
from tests.operators import PASSWORD
from web.app import create_app

pytestmark = pytest.mark.browser

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
OLGA = "olga@newsroom.example"


@pytest.fixture
def room(database, monkeypatch) -> SimpleNamespace:
    operators.hash_quickly(monkeypatch)
    operators.put(OLGA, "admin")
    return newsroom.fill()


def sign_in(page: Page, address: str = OLGA) -> None:
    page.goto("/operator/login")
    page.get_by_label("Address").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation", name="Console").wait_for()


# ---- by keyboard alone -------------------------------------------------------------------------------------------


class Hands:
    """Two hands at a keyboard: Tab until what is meant has the focus, which must be seen, then press."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def reach(self, words: str) -> None:
        """Tab to the control whose label, words or value these are; every stop on the way has a visible focus."""
        for _ in range(140):
            self.page.keyboard.press("Tab")
            here = self.page.evaluate(_WHERE)
            if here is None:
                continue
            assert here["shown"], f"no focus is seen on {here['name']!r}"
            if words == here["name"] or (words.endswith("…") and here["name"].startswith(words)):
                return
        raise AssertionError(f"{words!r} cannot be reached on {self.page.url}")

    def press(self, words: str, key: str = "Enter") -> None:
        self.reach(words)
        if key == "Enter":  # leads to a page
            with self.page.expect_navigation():
                self.page.keyboard.press(key)
        else:
            self.page.keyboard.press(key)

    def write(self, field: str, text: str) -> None:
        self.reach(field)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def told(self, words: str) -> None:
        """Wait for the note that says what was done."""
        self.page.get_by_role("status").get_by_text(words).wait_for()


_WHERE = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const label = at.labels && at.labels[0];
  const words = label ? label.textContent : at.getAttribute("aria-label") || at.textContent;
  const style = getComputedStyle(at);
  const shown = style.outlineStyle !== "none" && style.outlineWidth !== "0px";
  return {name: words.replace(/\\s+/g, " ").trim(), shown};
}"""


def test_signing_in_with_both_factors_and_out_again(open_browser, database, monkeypatch):
    operators.hash_quickly(monkeypatch)
    operators.put(OLGA, "operator", SECRET)
    page = open_browser()
    hands = Hands(page)
    page.goto("/operator/audit")
    hands.write("Address", OLGA)
    hands.write("Password", PASSWORD)
    hands.press("Sign in")
    page.get_by_role("heading", name="The second factor").wait_for()
    page.keyboard.type(pyotp.TOTP(SECRET).now())  # the field has the focus
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Audit log").wait_for()  # where they wanted to
    hands.press("Sign out")
    hands.told("You are signed out")


def test_failed_jobs_are_chosen_counted_and_retried(open_browser, database, monkeypatch):
    operators.hash_quickly(monkeypatch)
    operators.put(OLGA, "operator")
    failed.fill(41, error="TimeoutError", said="no greeting", fingerprint="aa")
    [odd] = failed.fill(1, error="KeyError", said="'subscriber'", fingerprint="bb", payload={"sign_up": 1})
    page = open_browser()
    sign_in(page)
    hands = Hands(page)
    hands.press("Failed jobs 42")
    page.get_by_role("heading", name="Failed jobs").wait_for()
    bar = page.get_by_role("region", name="Chosen jobs")
    assert bar.get_by_role("button", name="Retry 0…").is_disabled()
    hands.press("Choose all 41 of SubscriptionRequested, TimeoutError", "Space")
    assert bar.get_by_text("41 jobs chosen").is_visible()
    hands.press("Choose all 1 of SubscriptionRequested, KeyError", "Space")
    assert bar.get_by_text("42 jobs chosen").is_visible()
    page.keyboard.press("Space")
    assert bar.get_by_text("41 jobs chosen").is_visible()
    page.locator(".bulk [type=checkbox]").focus()
    hands.press("Retry 41…")
    page.get_by_role("heading", name="Retry 41 jobs?").wait_for()
    hands.press("Retry 41 jobs")
    hands.told("41 jobs are owed again.")

    page.goto(f"/operator/jobs/{odd}")
    hands.press("Edit and retry…")
    hands.write("subscriber (a whole number)", "1")
    hands.press("Retry as a new job")
    hands.told(f"is owed in place of job {odd}.")
    with reading() as session:
        copy = session.scalars(select(Job).where(Job.replaces == odd)).one()
        assert (copy.state, copy.payload) == ("pending", {"sign_up": 1, "subscriber": 1})


def test_a_queue_is_paused_and_goes_on(open_browser, database, monkeypatch):
    operators.hash_quickly(monkeypatch)
    operators.put(OLGA, "operator")
    page = open_browser(width=360)
    sign_in(page)
    hands = Hands(page)
    hands.press("Queues")
    hands.press("Pause “mail”…")
    page.get_by_role("heading", name="Pause “mail”?").wait_for()
    hands.write("Reason (required)", "the relay moves house")
    hands.press("Pause “mail”")
    hands.told("Queue “mail” is paused.")
    page.goto("/operator/audit")
    assert page.get_by_text("“the relay moves house”").first.is_visible()
    hands.press("Resume “mail”…")
    hands.press("Resume “mail”")
    hands.told("Queue “mail” goes on.")


def test_a_digest_on_its_way_is_paused_resolved_and_cancelled(open_browser, room):
    page = open_browser()
    sign_in(page)
    hands = Hands(page)
    page.goto(f"/operator/digests/{room.slot}")
    hands.press("Pause…")
    hands.press(f"Pause {room.slot}")
    hands.told(f"{room.slot} is paused.")
    hands.press("Resume")
    hands.told(f"{room.slot} goes on.")
    hands.press("Count 4 as sent…")
    hands.press("Count 4 as sent")
    hands.told("4 unknown letters are counted as sent.")
    hands.press("Cancel 24…")
    hands.write("Reason (required)", "the wrong week")
    hands.press("Cancel 24 letters")
    hands.told(f"{room.slot} is cancelled: 24 letters will not be sent.")
    with reading() as session:
        assert digests.get(session, room.slot).state == "cancelled"


def test_a_live_part_leaves_the_focus_that_came_while_it_was_asked_for(open_browser, room):
    page = open_browser()
    sign_in(page)
    held = []
    page.route("**/progress", lambda route: held.append(route))
    with page.expect_request("**/progress"):
        page.goto(f"/operator/digests/{room.slot}")
    page.locator("[data-live$='/progress']").get_by_role("link").first.focus()
    reached = page.evaluate("document.activeElement.href")
    with page.expect_response("**/progress") as answer:
        held[0].continue_()
    answer.value.finished()
    page.evaluate("new Promise(done => setTimeout(done, 100))")  # the script has put the answer in place, or has not
    assert page.evaluate("document.activeElement.href") == reached


def test_a_webhook_is_added_tested_and_disabled(open_browser, axe, database, monkeypatch):
    operators.hash_quickly(monkeypatch)
    operators.put(OLGA, "admin")
    page = open_browser(width=360)
    sign_in(page)
    hands = Hands(page)
    hands.press("Webhooks")
    hands.write("URL", "http://127.0.0.1:9/in")
    hands.press("alert.opened something needs a person", "Space")
    hands.press("Add a webhook")
    page.get_by_text("whsec_").wait_for()
    assert page.get_by_text("OUTSIDE_NETWORKS").is_visible()  # nothing would arrive there
    assert axe(page) == []
    hands.press("To the webhook")
    hands.press("Send a test")
    hands.told("A test is on its way.")
    assert page.get_by_text("webhook.test").is_visible()
    hands.press("Disable…")
    hands.write("Reason (required)", "it was a try")
    hands.press("Disable 1 webhook")
    hands.told("is disabled.")
    assert page.get_by_text("“it was a try”").is_visible()


def test_somebody_is_found_and_the_audit_is_filtered(open_browser, room):
    page = open_browser()
    sign_in(page)
    hands = Hands(page)
    hands.press("People")
    page.get_by_role("heading", name="People").wait_for()
    hands.write("Address or number of a subscriber", newsroom.LONG)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=newsroom.LONG).wait_for()
    assert page.get_by_text("Suppressed: hard bounce").is_visible()
    hands.press("Audit log")
    page.get_by_role("heading", name="Audit log").wait_for()
    hands.reach("About")
    page.keyboard.type("operator invited@newsroom.example")
    page.keyboard.press("Enter")
    page.wait_for_url("**about=operator*")
    assert page.locator(".rows tbody tr").count() == 50
    page.get_by_role("link", name="Older").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**before=*")
    assert page.locator(".rows tbody tr").count() == 7


# ---- without scripts -----------------------------------------------------------------------------------------------


def test_jobs_are_retried_without_scripts(open_browser, room):
    page = open_browser(java_script_enabled=False)
    sign_in(page)
    page.goto("/operator/jobs")
    page.get_by_role("checkbox", name="Choose all 12 of").check()
    page.get_by_role("button", name="Retry the chosen…").click()
    page.get_by_role("button", name="Retry 12 jobs").click()
    assert "12 jobs are owed again." in page.get_by_role("status").inner_text()
    page.goto(f"/operator/digests/{room.slot}")
    page.get_by_role("button", name="Pause…").click()
    page.get_by_role("button", name=f"Pause {room.slot}").click()
    assert f"{room.slot} is paused." in page.get_by_role("status").inner_text()
    with reading() as session:
        kept = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id.desc()).limit(2)).all()
    assert kept == ["digest.pause", "jobs.retry"]


# ---- every page ---------------------------------------------------------------------------------------------------


def pages(room: SimpleNamespace) -> list[str]:
    """Every page of the console that is a whole page, with what its address can name; and views that differ much."""
    parts = {"slot": [room.slot], "token": [room.invitation], "job_id": [str(room.job)], "operator_id": ["2"],
             "number": ["1"], "subscriber_id": ["1", "5"]}  # fmt: skip
    after = datetime.now(UTC) + timedelta(days=7)
    more = ["/operator/jobs?state=waiting", "/operator/jobs?open=SubscriptionRequested:TimeoutError:9aa0",
            f"/operator/deliveries?slot={room.slot}&state=unknown", f"/operator/digests/{after:%G-W%V}",
            f"/operator/digests/{room.slot}/preview?view=text", "/operator/people?state=pending",
            f"/operator/digests/{room.slot}/resolve?as=sent&state=unknown", "/operator/nothing-here"]  # fmt: skip
    no_page = ("/progress", "/now", "/letter", "/login", "/resolve")
    found = [each for each in walking.addresses(create_app(), parts, "/operator") if not each.endswith(no_page)]
    assert len(found) > 18
    return found + more


@pytest.mark.timeout(300)  # a hundred looks of axe: half a minute where nothing else runs
def test_no_page_breaks_a_rule_or_scrolls_sideways(open_browser, axe, room):
    page = open_browser(reduced_motion="reduce")  # colours that fade into others are not held against axe
    sign_in(page)
    wrong = []
    for address in pages(room):
        page.goto(address)
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                # Dark changes colours only: what else there is to find has been found in the light.
                wrong += axe(page, only_colour=scheme == "dark")
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong.append(f"{address} scrolls sideways at {width} px")
    open_browser.complaints[:] = [said for said in open_browser.complaints if "404" not in said]
    assert wrong == []
