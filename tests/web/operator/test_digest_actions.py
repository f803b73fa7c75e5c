"""What each of a digest's buttons does, and for whom."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from db.digests import catalog, digests, schedule
from db.digests.digests import Digest
from db.monitoring.heartbeats import Heartbeat
from db.operators.audit import AuditEntry
from db.session import reading, writing
from worker.digests import by_hand, drafts
from worker.digests import weekly_run as run

PATH = "/operator/digests"


def look(slot: str) -> Digest:
    with reading() as session:
        return digests.get(session, slot)


def states() -> dict[str, int]:
    with reading() as session:
        found = session.execute(text("SELECT state, count(*) FROM deliveries WHERE letter = 'digest' GROUP BY state"))
        return {state: number for state, number in found}  # noqa: C416


def kept() -> list[tuple[str, str | None, int, str | None]]:
    with reading() as session:
        rows = session.query(AuditEntry).filter(AuditEntry.action.like("d%")).order_by(AuditEntry.id)
        return [(each.action, each.about, each.count, each.note) for each in rows]


# ---- an editor's buttons -----------------------------------------------------------------------------------------


def test_an_editor_holds_and_releases(console, slot):
    browser = console("editor")
    assert browser.press(f"{PATH}/{slot}/hold").status_code == 303
    assert look(slot).state == "held"
    assert "is held until somebody releases it" in browser.get(f"{PATH}/{slot}").text
    assert browser.press(f"{PATH}/{slot}/release").status_code == 303
    assert look(slot).state == "draft"
    assert kept() == [("digest.hold", f"digest {slot}", 0, None), ("digest.release", f"digest {slot}", 0, None)]


@pytest.mark.once
def test_skipping_asks_first_and_wants_to_know_why(console, slot):
    browser = console("editor")
    asked = browser.press(f"{PATH}/{slot}/skip")
    assert "Nothing is sent" in asked.text
    assert look(slot).state == "draft"
    assert browser.press(f"{PATH}/{slot}/skip", {"confirmed": "yes"}).status_code == 409
    assert look(slot).state == "draft"
    browser.press(f"{PATH}/{slot}/skip", {"confirmed": "yes", "note": "holidays"})
    assert (look(slot).state, look(slot).reason) == ("skipped", "holidays")
    assert kept() == [("digest.skip", f"digest {slot}", 0, "holidays")]
    browser.press(f"{PATH}/{slot}/assemble")
    assert look(slot).state == "draft"


@pytest.mark.once
def test_a_test_goes_to_oneself_or_to_the_address_that_is_typed(console, slot, cast):
    browser = console("editor")
    browser.press(f"{PATH}/{slot}/test")
    browser.press(f"{PATH}/{slot}/test", {"address": cast.dana})
    assert browser.press(f"{PATH}/{slot}/test", {"address": "nobody"}).status_code == 409
    with reading() as session:
        assert [each.address for each in session.query(digests.TestLetter).order_by(digests.TestLetter.id)] == [
            "editor@newsroom.example",
            cast.dana,
        ]
        assert cast.dana not in str([vars(each) for each in session.query(AuditEntry)])
    assert [row[0] for row in kept()] == ["digest.test", "digest.test"]


# ---- an operator's buttons -----------------------------------------------------------------------------------------


def test_sending_now_names_the_audience_first(console, slot):
    browser = console("operator")
    asked = browser.press(f"{PATH}/{slot}/send")
    assert "Send to 3 people" in asked.text
    assert look(slot).state == "draft"
    browser.press(f"{PATH}/{slot}/send", {"confirmed": "yes", "note": "now"})
    assert (look(slot).state, look(slot).audience) == ("frozen", 3)
    assert kept() == [("digest.send", f"digest {slot}", 3, "now")]
    again = browser.press(f"{PATH}/{slot}/send", {"confirmed": "yes"})
    assert again.status_code == 409
    assert "has gone already" in again.text


@pytest.mark.once
def test_an_early_digest_wants_to_know_why(console, slot):
    to_come = schedule.of_digests().slot_of(datetime.now(UTC) + timedelta(weeks=1))
    browser = console("operator")
    asked = browser.press(f"{PATH}/{to_come}/send")
    assert f"The week of {to_come} has not begun." in asked.text
    assert "Reason for sending it early (required)" in asked.text
    assert "Note (optional)" not in asked.text, "one reason is enough"
    refused = browser.agree(asked)
    assert (refused.status_code, "has not begun" in refused.text, kept()) == (409, True, [])
    browser.agree(asked, early="holidays")
    assert "nothing is running to send it" in browser.get(f"{PATH}/{to_come}").text
    assert (look(to_come).state, kept()) == ("frozen", [("digest.send", f"digest {to_come}", 3, "holidays")])
    with reading() as session:
        assert session.query(AuditEntry).filter_by(action="digest.send").one().after["early"] == "holidays"


@pytest.mark.once
def test_a_held_draft_says_whether_it_is_due_yet(console, slot):
    browser = console("editor")
    browser.press(f"{PATH}/{slot}/hold")
    for due, told in ((timedelta(hours=2), "It is due on"), (timedelta(hours=-2), "It was due on")):
        with writing() as session:
            digests.get(session, slot).due_at = datetime.now(UTC) + due
        assert told in browser.get(f"{PATH}/{slot}").text


@pytest.mark.once
def test_releasing_what_goes_at_once_soon_after_the_last_wants_to_know_why(console, slot):
    last = schedule.of_digests().slot_of(datetime.now(UTC) - timedelta(weeks=1))
    browser = console("editor")
    browser.press(f"{PATH}/{slot}/hold")
    with writing() as session:
        digests.open_slot(session, last, datetime.now(UTC), datetime.now(UTC)).state = "finished"
        digests.get(session, last).frozen_at = datetime.now(UTC) - timedelta(days=1)
        digests.get(session, slot).due_at = datetime.now(UTC) - timedelta(hours=1)
    asked = browser.press(f"{PATH}/{slot}/release")
    assert f"{last} went out on" in asked.text
    assert look(slot).state == "held"
    assert browser.agree(asked).status_code == 409
    browser.agree(asked, early="a second edition")
    assert (look(slot).state, kept()[-1][-1]) == ("draft", "a second edition")


@pytest.mark.once
def test_going_on_another_way_wants_to_know_why(console, sending):
    with writing() as session:
        digests.get(session, sending).transport = "smtp"
        now = datetime.now(UTC)
        runs = {"MAIL_URL": "maildir", "BASE_URL": "http://localhost:8000"}
        session.add(Heartbeat(process="host:7", kind="sender", started_at=now, at=now, runs_with=runs))
    browser = console("operator")
    assert "Sender host:7 sends into files" in browser.get(f"{PATH}/{sending}").text
    asked = browser.press(f"{PATH}/{sending}/resume")
    assert f"digest {sending} began over SMTP" in asked.text
    assert browser.agree(asked).status_code == 409
    assert look(sending).transport == "smtp"
    browser.agree(asked, note="a rehearsal")
    assert (look(sending).transport, kept()[-1]) == (
        "maildir",
        ("digest.resume", f"digest {sending}", 0, "a rehearsal"),
    )
    assert "Letters wait" not in browser.get(f"{PATH}/{sending}").text


def test_pause_resume_and_cancel(console, sending):
    browser = console("operator")
    assert "already started still arrive" in browser.press(f"{PATH}/{sending}/pause").text
    assert look(sending).state == "sending"
    browser.press(f"{PATH}/{sending}/pause", {"confirmed": "yes", "note": "a wrong link"})
    assert (look(sending).state, look(sending).reason) == ("paused", "a wrong link")
    assert "! paused" in browser.get(f"{PATH}/{sending}").text
    browser.press(f"{PATH}/{sending}/resume")
    assert look(sending).state == "sending"
    assert "Cancel 1 letter" in browser.press(f"{PATH}/{sending}/cancel").text
    browser.press(f"{PATH}/{sending}/cancel", {"confirmed": "yes", "note": "withdrawn"})
    assert look(sending).state == "cancelled"
    assert states() == {"failed": 1, "unknown": 1, "cancelled": 1}
    assert [row[:3] for row in kept()][-1] == ("digest.cancel", f"digest {sending}", 1)


def test_what_failed_is_owed_again_and_what_is_in_doubt_resolved(console, sending):
    browser = console("operator")
    assert "Retry 1" in browser.get(f"{PATH}/{sending}/retry?state=failed&code=550").text
    assert states()["failed"] == 1
    answer = browser.press(f"{PATH}/{sending}/retry", {"confirmed": "yes", "state": "failed", "code": "550"})
    assert answer.status_code == 303
    assert states() == {"pending": 2, "unknown": 1}
    assert browser.get(f"{PATH}/{sending}/retry?state=failed").status_code == 409, "nothing is left to retry"
    assert "gets a second" in browser.get(f"{PATH}/{sending}/resolve?as=resend").text
    browser.press(f"{PATH}/{sending}/resolve", {"confirmed": "yes", "as": "sent", "note": "seen in the log"})
    assert states() == {"pending": 2, "sent": 1}
    assert "✓ Totals match" in browser.get(f"{PATH}/{sending}").text
    assert kept() == [
        ("deliveries.retry", f"digest {sending}", 1, None),
        ("deliveries.resolve", f"digest {sending}", 1, "seen in the log"),
    ]


@pytest.mark.parametrize(
    ("state", "orders"),
    [("sending", ("hold", "release", "assemble", "skip")), ("draft", ("pause", "resume", "cancel"))],
)
def test_an_order_in_the_wrong_state_is_refused_and_changes_nothing(console, slot, state, orders):
    if state == "sending":
        with writing() as session:
            by_hand.send(session, slot, datetime.now(UTC))
        run.address_frozen()
    browser = console("admin")
    for order in orders:
        answer = browser.press(f"{PATH}/{slot}/{order}", {"confirmed": "yes", "note": "why", "back": f"{PATH}/{slot}"})
        assert answer.status_code == 409, order
        assert f"is {state}" in answer.text
        assert f'href="{PATH}/{slot}"' in answer.text, "the way back"
        assert look(slot).state == state
        assert kept() == []


def test_two_who_press_the_same_button_do_it_once(console, slot):
    browser = console("editor")
    for _ in range(2):
        assert browser.press(f"{PATH}/{slot}/hold").status_code == 303
    assert [row[0] for row in kept()] == ["digest.hold"]


@pytest.mark.once
@pytest.mark.parametrize("role", ["viewer", "editor", "operator"])
def test_who_may_press_what(console, slot, role):
    browser = console(role)
    drafting = ("hold", "release", "assemble", "skip", "test")
    going = ("send", "pause", "resume", "cancel", "retry", "resolve")
    refused = {"viewer": (*drafting, *going), "editor": going, "operator": ()}[role]
    for order in refused:
        assert browser.press(f"{PATH}/{slot}/{order}").status_code == 403, order
    assert kept() == []
    for order in (*drafting, *going):
        assert (browser.press(f"{PATH}/{slot}/{order}").status_code == 403) == (order in refused), order


@pytest.mark.once
def test_a_viewer_is_shown_no_button(console, sending):
    page = console("viewer").get(f"{PATH}/{sending}").text
    main = page.split("<main")[1]
    assert "<button" not in main
    assert "Retry" not in main


def test_the_schedules_buttons_are_the_digests_own(console, readers):
    browser = console("operator")
    page = browser.get("/operator/schedule").text
    [hold] = re.findall(r'action="([^"]+/hold)"', page)[:1]
    assert browser.press(hold).status_code == 303
    assert look(hold.split("/")[3]).state == "held"
    assert "Release" in browser.get("/operator/schedule").text


# ---- what earlier releases passed over ---------------------------------------------------------------------------


@pytest.fixture
def passed_over(slot: str) -> str:
    """This week's slot, held because eleven comparisons of long ago would stand in it beside the new one."""
    now = datetime.now(UTC)
    with writing() as session:
        for n in range(11):
            old = now - timedelta(days=30 + n)
            catalog.put_comparison(session, f"old-{n}", ("inkwell", "patchbay"), "Which?", old, old)
        session.execute(text("UPDATE comparisons SET passed_over_at = publish_at WHERE slug LIKE 'old-%'"))
        drafts.refresh_drafts(session, now)
    return slot


def said(slot: str) -> list[str]:
    return [each["slug"] for each in (look(slot).content or {"comparisons": ()})["comparisons"]]


def test_an_editor_leaves_out_what_was_passed_over_after_a_look_at_the_list(console, passed_over):
    browser = console("editor")
    page = browser.get(f"{PATH}/{passed_over}").text
    assert "Leave these out of digests…" in page
    assert all(f'href="/compare/old-{n}"' in page for n in range(11))
    asked = browser.press(f"{PATH}/{passed_over}/archive").text
    assert "Eleven comparisons will be left out of all digests; readers still find them on the web." in asked
    assert f"Then {passed_over} is sent by itself when it is due." in asked
    assert len(said(passed_over)) == 12
    browser.press(f"{PATH}/{passed_over}/archive", {"confirmed": "yes", "note": "moved in from the old site"})
    assert (look(passed_over).state, said(passed_over)) == ("draft", ["quillmate-vs-inkwell"])
    assert "Leave these out" not in browser.get(f"{PATH}/{passed_over}").text
    again = browser.press(f"{PATH}/{passed_over}/archive", {"confirmed": "yes"})  # in a second window
    assert (again.status_code, "Somebody has decided about them already" in again.text) == (409, True)
    with reading() as session:
        [entry] = session.query(AuditEntry).filter(AuditEntry.action == "comparisons.archive")
    assert (entry.count, entry.note, len(entry.after["slugs"])) == (11, "moved in from the old site", 11)


def test_an_editor_who_releases_it_sends_them_and_is_not_asked_again(console, passed_over):
    browser = console("editor")
    browser.press(f"{PATH}/{passed_over}/release")
    with writing() as session:
        drafts.refresh_drafts(session, datetime.now(UTC))
    assert (look(passed_over).state, len(said(passed_over))) == ("draft", 12)


def test_what_an_editor_held_for_another_reason_is_held_for_the_list_after_its_release(console, slot, passed_over):
    with writing() as session:
        digests.get(session, slot).reason = "a wrong figure"
        drafts.refresh_drafts(session, datetime.now(UTC))
    assert look(slot).reason == "a wrong figure"
    browser = console("editor")
    browser.press(f"{PATH}/{slot}/release")
    with writing() as session:
        drafts.refresh_drafts(session, datetime.now(UTC))
    assert look(slot).state == "held"
    assert look(slot).reason.startswith("11 comparisons that earlier releases passed over")


@pytest.mark.once
def test_a_viewer_reads_the_list_and_leaves_nothing_out(console, passed_over):
    browser = console("viewer")
    page = browser.get(f"{PATH}/{passed_over}").text
    assert 'href="/compare/old-3"' in page
    assert "Leave these out" not in page
    assert browser.press(f"{PATH}/{passed_over}/archive", {"confirmed": "yes"}).status_code == 403
    assert len(said(passed_over)) == 12
