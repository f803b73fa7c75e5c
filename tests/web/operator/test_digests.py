"""The digests' pages: what stands in a draft, how far a digest is, whom it reached, and when the next one comes."""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from db.deliveries import accounts
from db.deliveries.limits import breakers
from db.digests import digests, rule_history, schedule
from db.session import writing
from web.operator.previews import coloured
from worker.digests import by_hand

PATH = "/operator/digests"


# ---- reading -----------------------------------------------------------------------------------------------------


def test_the_list_shows_each_digest_with_its_account(console, sending):
    page = console("viewer").get(PATH).text
    assert sending in page
    assert "● sending" in page
    assert "✓ holds" in page
    assert "of 3" in page


def test_an_empty_list_says_what_comes(console, database):
    assert "A draft opens by itself" in console("viewer").get(PATH).text


@pytest.mark.once
def test_a_draft_says_what_it_holds_and_when_it_freezes(console, slot):
    page = console("editor").get(f"{PATH}/{slot}").text
    assert "Quillmate vs Inkwell" in page
    assert "It is sent by itself on" in page
    assert "The account" not in page


def test_a_digest_on_its_way_shows_its_account_its_replies_and_who_refuses(console, sending):
    with writing() as session:
        breakers.refused(session, "smtp://relay.example:25", "421 4.3.2 shutting down", datetime.now(UTC))
    page = console("operator").get(f"{PATH}/{sending}").text
    assert "✓ Totals match." in page
    assert "smtp://relay.example:25 refuses" in page
    assert "421 4.3.2 shutting down" in page
    assert "550 5.1.1 … unknown" in page
    assert "Retry 1…" in page
    assert "Count 1 as sent…" in page
    assert 'data-live="' in page


def test_the_live_part_is_sent_again_only_when_a_number_changed(console, sending):
    browser = console("viewer")
    with writing() as session:
        digests.move(session, sending, "pause", datetime.now(UTC))  # nobody's rate changes meanwhile
    first = browser.get(f"{PATH}/{sending}/progress")
    assert "<html" not in first.text
    again = browser.get(f"{PATH}/{sending}/progress", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    for kept in browser.application.extensions["digests"].values():
        kept.until = 0.0  # the look has grown old, and the next one finds the same
    again = browser.get(f"{PATH}/{sending}/progress", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    browser.application.extensions["digests"].clear()
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sent' WHERE state = 'pending'"))
    changed = browser.get(f"{PATH}/{sending}/progress", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_however_many_look_the_ledger_is_asked_once_as_long_as_a_look_holds(console, sending, monkeypatch):
    asked = []
    progress = accounts.progress
    monkeypatch.setattr(accounts, "progress", lambda *given: asked.append(1) or progress(*given))
    browser = console("viewer")
    for _ in range(5):
        browser.get(f"{PATH}/{sending}/progress")
    assert len(asked) <= 2


def test_what_there_is_not_is_not_found(console, database):
    assert console("viewer").get(f"{PATH}/2020-W01").status_code == 404
    browser = console("editor")
    assert browser.get(f"{PATH}/nonsense").status_code == 404


def test_a_draft_has_no_progress(console, slot):
    assert console("viewer").get(f"{PATH}/{slot}/progress").status_code == 404


# ---- the preview -------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_the_preview_has_a_tab_for_each_view(console, slot):
    browser = console("viewer")
    page = browser.get(f"{PATH}/{slot}/preview").text
    assert 'width="600"' in page
    assert re.search(r"[\d.]+ KiB of at most 100", page)
    assert 'width="360"' in browser.get(f"{PATH}/{slot}/preview?view=phone").text
    assert "Quillmate" in browser.get(f"{PATH}/{slot}/preview?view=text").text
    headers = browser.get(f"{PATH}/{slot}/preview?view=headers").text
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in headers
    assert re.search(r"Message-ID: &lt;digest\.[0-9a-f]{32}@", headers)


@pytest.mark.once
def test_the_preview_and_the_question_before_a_send_say_what_to_mend(console, slot, setting):
    browser = console("operator")
    given = {"BASE_URL": "https://verdicts.example", "MAIL_FROM": "digest@verdicts.example"}
    setting(**given, MAIL_POSTAL_ADDRESS="14 Sample Quay")
    assert "✓ nothing to mend" in browser.get(f"{PATH}/{slot}/preview").text
    assert "Before you send it" not in browser.press(f"{PATH}/{slot}/send").text
    setting(MAIL_POSTAL_ADDRESS="")
    for page in (browser.get(f"{PATH}/{slot}/preview"), browser.press(f"{PATH}/{slot}/send")):
        assert "! warning" in page.text
        assert "Set MAIL_POSTAL_ADDRESS." in page.text


@pytest.mark.once
def test_the_letter_itself_can_do_nothing_but_be_looked_at(console, slot):
    answer = console("viewer").get(f"{PATH}/{slot}/letter")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.endswith("sandbox")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "{~" not in answer.text, "no mark is left open"


@pytest.mark.once
def test_each_scheme_is_forced_whatever_the_browser_prefers(console, slot):
    browser = console("viewer")
    light, dark = (browser.get(f"{PATH}/{slot}/letter?view={view}").text for view in ("desktop", "dark"))
    for html in (light, dark):
        assert "prefers-color-scheme" not in html
    assert "@media not all" in light
    assert "@media all" in dark
    assert "color-scheme: dark" in dark.replace("supported-color-schemes: light dark", "")
    assert coloured("@media (prefers-color-scheme:dark){}", dark=True) == "@media all{}"


@pytest.mark.once
def test_without_anything_new_there_is_no_letter_to_look_at(console, readers):
    answer = console("editor").get(f"{PATH}/2026-W50/preview")
    assert answer.status_code == 409
    assert "import a comparison first" in answer.text


# ---- deliveries --------------------------------------------------------------------------------------------------


def test_deliveries_by_state_and_code(console, sending, cast):
    browser = console("operator")
    failed = browser.get(f"/operator/deliveries?slot={sending}&state=failed&code=550").text
    assert cast.alice in failed
    assert "550 5.1.1" in failed
    assert "Retry 1…" in failed
    assert cast.bob not in failed
    assert "No delivery" in browser.get(f"/operator/deliveries?slot={sending}&state=failed&code=552").text
    everyone = browser.get("/operator/deliveries").text
    assert all(address in everyone for address in (cast.alice, cast.bob, cast.charlie))


@pytest.mark.once
@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_who_need_not_see_addresses_sees_none(console, sending, cast, role):
    page = console(role).get(f"/operator/deliveries?slot={sending}").text
    assert cast.alice not in page
    assert "a…@r….example" in page


def test_deliveries_page_by_page(console, sending, cast, monkeypatch):
    monkeypatch.setattr("web.operator.deliveries.PAGE", 2)
    browser = console("operator")
    first = browser.get(f"/operator/deliveries?slot={sending}").text
    [older] = re.findall(r'href="([^"]+after=[^"]+)"', first)
    rest = browser.get(older.replace("&amp;", "&")).text
    assert (cast.alice in first, cast.charlie in first) == (True, False)
    assert (cast.alice in rest, cast.charlie in rest) == (False, True)


def test_bad_filters_are_no_error(console, sending):
    browser = console("viewer")
    for query in ("state=x&code=abc&after=z", "code=" + "9" * 40, "after=" + "9" * 40, "slot=nonsense"):
        assert browser.get(f"/operator/deliveries?{query}").status_code in (200, 404)


# ---- the schedule ------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_the_schedule_names_the_next_runs_in_local_time_and_utc(console, database, clock, setting):
    setting(DIGEST_SCHEDULE="SUN 09:00", DIGEST_TIMEZONE="Europe/Berlin")
    clock.set(datetime(2027, 3, 10, 12, tzinfo=UTC))
    page = console("viewer").get("/operator/schedule").text
    assert "Every Sunday at 09:00 (Europe/Berlin)" in page
    assert "Sun 21 Mar 2027 09:00 CET (UTC+01:00)" in page
    assert "Sun 28 Mar 2027 09:00 CEST (UTC+02:00)" in page, "the clocks have changed that night"
    assert "2027-03-28 07:00" in page
    assert page.count("not open yet") == 5
    assert "votes.fold" in page


@pytest.mark.once
def test_the_schedule_goes_by_the_clock_and_names_whoever_differs(console, database, clock, setting):
    setting(DIGEST_SCHEDULE="SUN 09:00")
    clock.set(datetime(2027, 3, 10, 12, tzinfo=UTC))
    with writing() as session:
        rule_history.record(session, schedule.Weekly(4, time(9), ZoneInfo("Asia/Kolkata")), clock.now)
    page = console("viewer").get("/operator/schedule").text
    assert "this process runs with “Every Sunday at 09:00 (UTC)”" in page
    assert "Fri 12 Mar 2027 09:00 IST (UTC+05:30)" in page


@pytest.mark.once
def test_a_run_that_was_late_says_so(console, slot):
    with writing() as session:
        found = digests.get(session, slot)
        found.due_at = datetime.now(UTC) - timedelta(hours=2, minutes=5)
        by_hand.send(session, slot, datetime.now(UTC))
    assert "2 h 5 min late" in console("viewer").get("/operator/schedule").text
