"""After a provider's bad hour: what stopped is shown, and a person decides in the console, with a reason."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from db.deliveries.limits import stops
from db.deliveries.limits.stops import Trip
from db.digests import digests
from db.operators.audit import AuditEntry
from db.session import reading, writing
from db.subscribers import suppressions
from db.subscribers.suppressions import Suppression

LIST = "/operator/suppressions"


@pytest.fixture
def bad_hour(sending: str, cast) -> str:
    """A digest of which two addresses at reader.example and one at gone.example were refused; the domain is held."""
    now = datetime.now(UTC)
    with writing() as session:
        found = digests.get(session, sending)
        session.execute(text("UPDATE subscribers SET address = 'c@gone.example', address_key = 'c@gone.example'"
                             " WHERE address = :it"), {"it": cast.charlie})  # fmt: skip
        for address in (cast.alice, cast.bob, "c@gone.example"):
            suppressions.suppress(session, address, "hard bounce", now).digest_id = found.id
        session.flush()
        stops.trip(session, found.id, Trip("hard", "reader.example", 11, 14), now)
        stops.trip(session, found.id, Trip("hard", None, 9, 150), now)
    return sending


def left() -> list[str | None]:
    with reading() as session:
        return ["suspected" if each.suspected_at else None for each in session.scalars(select(Suppression))]


def audited() -> list[tuple[str, str | None, int]]:
    with reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.actor == "operator@newsroom.example"))
        return [(each.action, each.note, each.count) for each in entries if each.action != "login"]


def test_a_domain_is_decided_about_apart_and_lifting_asks_with_the_count(console, bad_hour):
    browser = console("operator")
    page = browser.get(LIST).text
    assert "Held domains" in page
    assert "11 of the last 14" in page
    chosen = {"slot": bad_hour, "domain": "reader.example"}
    asked = browser.press(f"{LIST}/suspected/lift", chosen)
    assert f"Lift 2 suppressions of {bad_hour}, reader.example?" in asked.text
    assert left() == ["suspected"] * 3
    assert (
        "2 suppressions were lifted." in browser.get(browser.agree(asked, note="a bad hour").headers["Location"]).text
    )
    assert left() == ["suspected"]
    assert audited() == [("suspected.lift", "a bad hour", 2)]


def test_a_whole_digest_is_confirmed_at_once_and_again_is_refused(console, bad_hour):
    browser = console("operator")
    asked = browser.press(f"{LIST}/suspected/confirm", {"slot": bad_hour})
    assert "Confirm 3 suppressions" in asked.text
    browser.agree(asked)
    assert left() == [None] * 3
    assert browser.press(f"{LIST}/suspected/confirm", {"slot": bad_hour}).status_code == 409
    assert "Suspected" not in browser.get(LIST).text


def test_a_domain_is_released_with_a_reason(console, bad_hour):
    browser = console("operator")
    asked = browser.press(f"{LIST}/release", {"domain": "reader.example"})
    assert "11 of the last 14 letters to reader.example were refused" in asked.text
    assert browser.agree(asked).status_code == 409, "without a reason"
    done = browser.agree(asked, note="they say it is over").headers["Location"]
    assert "reader.example is released." in browser.get(done).text
    assert audited() == [("domain.release", "they say it is over", 1)]
    assert browser.press(f"{LIST}/release", {"domain": "reader.example"}).status_code == 409


def test_a_digest_that_stopped_itself_says_why_and_is_resumed_with_a_reason(console, bad_hour):
    browser = console("operator")
    page = browser.get(f"/operator/digests/{bad_hour}").text
    assert "stopped: 9 of the last 150 letters were refused as addresses that do not exist" in page
    assert "All letters to reader.example wait." in page
    asked = browser.press(f"/operator/digests/{bad_hour}/resume")
    assert "It stopped itself: 9 of the last 150" in asked.text
    assert browser.agree(asked).status_code == 409
    browser.agree(asked, note="the list is old, I know")
    with reading() as session:
        assert digests.get(session, bad_hour).state == "sending"
        assert stops.of_digest(session, digests.get(session, bad_hour).id) is None


@pytest.mark.once
def test_a_viewer_sees_numbers_and_no_button(console, bad_hour):
    page = console("viewer").get(LIST).text
    assert "gone.example" in page
    assert "Release" not in page
    assert "Lift 2" not in page
