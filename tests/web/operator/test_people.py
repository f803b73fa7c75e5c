"""Readers in the console: found, told whole, masked for those who need not know, suppressed, lifted, erased."""

from datetime import UTC, datetime

import pytest

from db.deliveries import deliveries
from db.deliveries.deliveries import Delivery
from db.operators.audit import AuditEntry
from db.session import reading, writing
from db.settings import settings
from db.subscribers import imports, subscribers, subscriptions, suppressions
from db.votes import votes
from emails import links

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)


@pytest.fixture
def alice(database, catalogue, cast):
    """Alice is active, voted twice, and a mail server quoted her address."""
    with writing() as session:
        subscriptions.request(session, cast.alice, words="Yes", words_version="3", locale="en", form_url="/",
                            ip="192.0.2.7", user_agent="Browser 1", now=NOW)  # fmt: skip
        asked = subscribers.history(session, subscribers.by_address(session, cast.alice).id)[-1]
        found = subscriptions.confirm(session, asked.id, "192.0.2.8", NOW)
        deliveries.owe(session, "welcome", asked.id, f"subscriber:{found.id}", NOW)
        tried = session.query(Delivery).one()
        tried.tries, tried.claimed_at, tried.reply = 1, NOW, f"451 4.2.1 <{cast.alice}>: try later"
        votes.cast(session, f"subscriber:{found.id}", catalogue.quillmate, "ship", NOW)
        votes.cast(session, f"subscriber:{found.id}", catalogue.inkwell, "skip", NOW)
        return found.id


def suppress(address, reason="by hand", note=None):
    with writing() as session:
        return suppressions.suppress(session, address, reason, NOW, note).address_hash


def audited():
    with reading() as session:
        kept = session.query(AuditEntry).where(AuditEntry.action.startswith("people.")).order_by(AuditEntry.id)
        return [(each.action, each.actor, each.about, each.note) for each in kept]


def state(subscriber_id):
    with reading() as session:
        return subscribers.find(session, subscriber_id).state


# ---- masking -----------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_below_operator_no_page_shows_an_address_a_network_or_which_votes(console, alice, cast, role):
    suppress(cast.alice, note=f"{cast.alice} phoned")
    browser = console(role)
    for page in ("/operator/people", f"/operator/people/{alice}", "/operator/people?state=suppressed",
                 "/operator/suppressions"):  # fmt: skip
        text = browser.get(page).text
        assert cast.alice not in text, page
        assert "192.0.2." not in text
        assert "Browser 1" not in text
    text = browser.get(f"/operator/people/{alice}").text
    assert "a…@r….example" in text
    assert "451 4.2.1 &lt;a…@r….example&gt;: try later" in text
    assert "Quillmate" not in text
    assert "<dt>Votes</dt><dd>2" in text


@pytest.mark.parametrize("role", ["operator", "admin"])
def test_from_operator_on_the_whole_story_is_shown(console, alice, cast, role):
    text = console(role).get(f"/operator/people/{alice}").text
    sent = links.message_id(settings().keys, 1, "welcome")
    for shown in (cast.alice, "192.0.2.7", "192.0.2.8", "Browser 1", "Quillmate", "Asked for the letter", "Confirmed",
                  "Letter welcome: pending", f"451 4.2.1 &lt;{cast.alice}&gt;: try later", f"&lt;{sent}@"):  # fmt: skip
        assert shown in text, shown


@pytest.mark.once
def test_a_letter_that_was_never_tried_has_no_message_id_yet(console, alice):
    with writing() as session:
        never = session.query(Delivery).one()
        never.tries, never.claimed_at, never.reply = 0, None, None
    text = console("operator").get(f"/operator/people/{alice}").text
    assert "Letter welcome: pending" in text
    assert "Message-ID" not in text


@pytest.mark.once
def test_what_one_may_not_do_is_neither_offered_nor_done(console, alice, cast):
    viewer = console("viewer")
    assert '<button class="btn">Suppress' not in viewer.get(f"/operator/people/{alice}").text
    for order in ("suppress", "lift", "export", "erase"):
        assert viewer.press(f"/operator/people/{alice}/{order}", {"confirmed": "yes"}).status_code == 403
    operator = console("operator")
    assert "Erase 1 reader…" not in operator.get(f"/operator/people/{alice}").text
    assert operator.press(f"/operator/people/{alice}/erase", {"confirmed": "yes", "note": "x"}).status_code == 403
    assert state(alice) == "active"
    assert audited() == []


# ---- finding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["Alice@Reader.example ", "1", "subscriber 1"])
def test_a_reader_is_found_by_address_however_it_is_written_or_by_number(console, alice, who):
    found = console("viewer").press("/operator/people/find", {"who": who})
    assert (found.status_code, found.location) == (303, f"/operator/people/{alice}")


def test_who_is_not_found_is_said_and_the_field_keeps_what_was_typed(console, alice, cast):
    suppress(cast.charlie, "hard bounce")
    browser = console("operator")
    unknown = browser.press("/operator/people/find", {"who": cast.bob})
    assert unknown.status_code == 404
    assert f"{cast.bob} has never been a subscriber here, so no newsletter was sent to it." in unknown.text
    assert f'value="{cast.bob}"' in unknown.text
    assert "hard bounce" in browser.press("/operator/people/find", {"who": cast.charlie}).text
    assert browser.press("/operator/people/find", {"who": "nobody"}).status_code == 400
    assert browser.press("/operator/people/find", {"who": "9" * 30}).status_code == 404
    assert browser.get("/operator/people/99").status_code == 404


def test_people_are_listed_by_state_and_paged(console, database):
    with writing() as session:
        imports.add_imported(session, {f"r{n}@reader.example": None for n in range(60)}, "fair", "f.csv", NOW)
    browser = console("operator")
    first = browser.get("/operator/people?state=active").text
    assert "r59@" in first
    assert "r10@" in first
    assert "r9@" not in first
    assert 'href="/operator/people?state=active&amp;before=11"' in first
    older = browser.get("/operator/people?state=active&before=11").text
    assert "r9@" in older
    assert "r10@" not in older
    assert "active <b>60</b>" in older
    assert "Nobody is erased." in browser.get("/operator/people?state=erased").text


# ---- orders ------------------------------------------------------------------------------------------------


def test_suppressing_asks_first_and_says_what_was_done(console, alice, cast):
    browser = console("operator")
    asked = browser.press(f"/operator/people/{alice}/suppress")
    assert asked.status_code == 200
    assert "Suppress 1 address" in asked.text
    assert audited() == []
    done = browser.press(f"/operator/people/{alice}/suppress", {"confirmed": "yes", "note": f"{cast.alice} phoned"},
                         follow_redirects=True)  # fmt: skip
    assert "1 address was suppressed." in done.text
    assert "No digest comes: the address is suppressed (by hand)." in done.text
    assert audited() == [("people.suppress", "operator@newsroom.example", "subscriber 1", "a…@r….example phoned")]
    browser.press(f"/operator/people/{alice}/lift", {"confirmed": "yes"})
    with reading() as session:
        assert suppressions.suppressed(session, [cast.alice]) == set()
    assert browser.press(f"/operator/people/{alice}/lift", {"confirmed": "yes"}).status_code == 409


def test_a_complaint_is_lifted_by_an_admin_who_says_why(console, alice, cast):
    suppress(cast.alice, "complaint")
    operator = console("operator")
    assert "Allow mail again…" not in operator.get(f"/operator/people/{alice}").text
    assert operator.press(f"/operator/people/{alice}/lift", {"confirmed": "yes", "note": "why"}).status_code == 409
    admin = console("admin")
    assert "required" in admin.press(f"/operator/people/{alice}/lift").text
    assert admin.press(f"/operator/people/{alice}/lift", {"confirmed": "yes"}).status_code == 409
    assert admin.press(f"/operator/people/{alice}/lift", {"confirmed": "yes", "note": "a slip"}).status_code == 303
    assert audited() == [("people.lift", "admin@newsroom.example", "subscriber 1", "a slip")]


def test_erasing_says_what_it_does_and_leaves_no_address_anywhere(console, alice, cast):
    admin = console("admin")
    asked = admin.press(f"/operator/people/{alice}/erase").text
    assert "the 2 votes withdrawn" in asked
    assert "cannot be taken back" in asked
    done = admin.press(f"/operator/people/{alice}/erase", {"confirmed": "yes", "note": "by letter"},
                       follow_redirects=True).text  # fmt: skip
    assert "1 reader was erased." in done
    assert cast.alice not in done
    assert state(alice) == "erased"
    assert admin.press(f"/operator/people/{alice}/erase", {"confirmed": "yes", "note": "x"}).status_code == 409


def test_handing_out_somebodys_data_is_audited_and_whole(console, alice, cast):
    browser = console("operator")
    assert "JSON file" in browser.press(f"/operator/people/{alice}/export").text
    given = browser.press(f"/operator/people/{alice}/export", {"confirmed": "yes"})
    assert given.headers["Content-Disposition"] == 'attachment; filename="subscriber-1.json"'
    assert given.json["address"] == cast.alice
    assert len(given.json["votes"]) == 2
    assert {event["kind"] for event in given.json["events"]} == {"consent", "letter"}
    assert [action for action, *_ in audited()] == ["people.export"]


# ---- the suppression list ----------------------------------------------------------------------------------


def test_the_list_says_reason_note_and_how_each_is_lifted(console, alice, cast):
    suppress(cast.alice, "complaint")
    suppress(cast.charlie, "hard bounce", note="mailbox gone")
    text = console("operator").get("/operator/suppressions").text
    assert "mailbox gone" in text
    assert 'href="/operator/people/1"' in text
    assert "the reader called our mail spam" in text
    assert text.count("Allow mail again…") == 1
    only = console("admin").get("/operator/suppressions?reason=complaint").text
    assert "mailbox gone" not in only
    assert only.count("Allow mail again…") == 1


def test_an_address_is_added_and_lifted_from_the_list(console, database, cast):
    browser = console("operator")
    assert 'name="address"' in browser.press("/operator/suppressions/add").text
    bad = browser.press("/operator/suppressions/add", {"confirmed": "yes", "address": "nobody"})
    assert bad.status_code == 400
    assert 'value="nobody" aria-invalid="true"' in bad.text
    browser.press("/operator/suppressions/add", {"confirmed": "yes", "address": cast.charlie, "note": "asked"})
    with reading() as session:
        [hashed] = suppressions.listed(session, [each.address_hash for each in session.query(suppressions.Suppression)])
    assert browser.press(f"/operator/suppressions/{hashed}/lift", {"confirmed": "yes"}).status_code == 303
    assert "No address is suppressed." in browser.get("/operator/suppressions").text
    assert browser.press(f"/operator/suppressions/{hashed}/lift", {"confirmed": "yes"}).status_code == 409


def test_the_list_is_paged(console, database):
    for n in range(55):
        suppress(f"r{n}@reader.example")
    browser = console("viewer")
    first = browser.get("/operator/suppressions").text
    assert first.count("<code") == 50
    older = first.split('">Older<')[0].rsplit('href="', 1)[1].replace("&amp;", "&")
    assert browser.get(older).text.count("<code") == 5
    assert browser.get("/operator/suppressions?before=nonsense").status_code == 200


def test_an_empty_site_says_so_in_a_sentence(console, database):
    browser = console("viewer")
    assert "Nobody has subscribed yet." in browser.get("/operator/people").text
    assert "No address is suppressed." in browser.get("/operator/suppressions").text
