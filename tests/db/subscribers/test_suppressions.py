"""Who must not be mailed, why, and who may take that back."""

from datetime import UTC, datetime, timedelta

import pytest

from db import rules
from db.rules import Refused
from db.session import reading, writing
from db.subscribers import imports, lists, subscribers, subscriptions, suppressions

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)


def suppress(address, reason, at=NOW, note=None):
    with writing() as session:
        return suppressions.suppress(session, address, reason, at, note).address_hash


def test_the_graver_reason_stays_and_of_two_alike_the_first(database, cast):
    suppress(cast.charlie, "by hand", note="asked on the phone")
    suppress(cast.charlie, "complaint", NOW + timedelta(days=1))
    suppress(cast.charlie, "hard bounce", NOW + timedelta(days=2))
    suppress(cast.charlie, "complaint", NOW + timedelta(days=3))
    with reading() as session:
        found = suppressions.of_address(session, cast.charlie.upper())
        assert (found.reason, found.at, found.note) == ("complaint", NOW + timedelta(days=1), None)


@pytest.mark.parametrize("reason", ["hard bounce", "repeated soft bounce"])
def test_a_bounce_is_lifted_only_by_somebody_who_says_why(sqlite, cast, reason):
    hashed = suppress(cast.charlie, reason)
    with pytest.raises(Refused, match="Say in the note why"), writing() as session:
        suppressions.lift(session, [hashed], as_admin=True, note=" ")


@pytest.mark.parametrize(
    ("reason", "note"), [("by hand", None), ("hard bounce", "it works"), ("repeated soft bounce", "it works")]
)
def test_a_bounce_and_a_decision_by_hand_are_lifted_by_an_operator(sqlite, cast, reason, note):
    hashed = suppress(cast.charlie, reason)
    with writing() as session:
        assert [each.reason for each in suppressions.lift(session, [hashed], as_admin=False, note=note)] == [reason]
    with reading() as session:
        assert suppressions.suppressed(session, [cast.charlie]) == set()


@pytest.mark.parametrize("reason", ["complaint", "erased"])
def test_a_complaint_and_an_erasure_are_lifted_by_an_admin_who_says_why(sqlite, cast, reason):
    hashed = suppress(cast.charlie, reason)
    for as_admin, note in ((False, "they wrote to us"), (True, None)):
        with pytest.raises(Refused), writing() as session:
            suppressions.lift(session, [hashed], as_admin=as_admin, note=note)
    with writing() as session:
        assert suppressions.lift(session, [hashed], as_admin=True, note="they wrote to us")


def test_of_several_that_are_lifted_one_that_may_not_be_leaves_all(database, cast):
    one, other = suppress(cast.alice, "by hand"), suppress(cast.bob, "complaint")
    with pytest.raises(Refused), writing() as session:
        suppressions.lift(session, [one, other], as_admin=False, note=None)
    with reading() as session:
        assert suppressions.suppressed(session, [cast.alice, cast.bob]) == {cast.alice, cast.bob}


def test_the_list_is_read_page_by_page_newest_first(database):
    for n in range(7):
        suppress(f"reader-{n}@reader.example", "by hand" if n % 2 else "complaint", NOW + timedelta(seconds=n // 2))
    seen, before = [], None
    with reading() as session:
        while page := suppressions.page(session, None, before=before, limit=3):
            seen += [(each.at, each.address_hash) for each in page]
            before = seen[-1]
        assert seen == sorted(seen, reverse=True)
        assert len(set(seen)) == 7
        assert suppressions.counts(session) == dict.fromkeys(rules.SUPPRESSIONS, 0) | {
            "by hand": 3, "complaint": 4,
        }  # fmt: skip
        assert {each.reason for each in suppressions.page(session, "by hand")} == {"by hand"}


def test_a_suppression_knows_whose_it_is_until_they_are_erased(database, cast):
    with writing() as session:
        imports.add_imported(session, {cast.alice: None, cast.bob: None}, "fair", "people.csv", NOW)
        alice = subscribers.by_address(session, cast.alice).id
        held = suppressions.suppress(session, cast.alice, "by hand", NOW, f"{cast.alice} phoned")
        assert held.subscriber_id == alice
    with reading() as session:
        assert [each.id for each in lists.page(session, "suppressed", NOW)] == [alice]
        assert lists.counts(session, NOW)["suppressed"] == 1
    with writing() as session:
        subscriptions.erase(session, alice, NOW)
    with reading() as session:
        held = suppressions.of_address(session, cast.alice)
        assert (held.reason, held.subscriber_id, held.note) == ("erased", None, None)
        assert lists.page(session, "suppressed", NOW) == []


def test_somebody_suppressed_who_asks_for_the_letter_is_found_by_their_suppression(database, cast):
    suppress(cast.charlie, "hard bounce")
    with writing() as session:
        subscriptions.request(session, cast.charlie, words="Yes", words_version="1", locale="en", form_url="/", ip=None,
                            user_agent=None, now=NOW)  # fmt: skip
    with reading() as session:
        [found] = lists.page(session, "suppressed", NOW)
        assert found.address == cast.charlie
        assert lists.which_suppressed(session, [found.id]) == {found.id: "hard bounce"}


def test_people_are_listed_by_state_page_by_page_and_counted(database):
    with writing() as session:
        imports.add_imported(session, {f"r{n}@reader.example": None for n in range(5)}, "fair", "f.csv", NOW)
        first, second = subscribers.page(session, 0, 2)
        first.paused_until, second.paused_until = NOW + timedelta(days=1), NOW - timedelta(days=1)
        subscriptions.leave(session, subscribers.page(session, 0, 9)[-1].id, "link", NOW)
    with reading() as session:
        ids = [each.id for each in lists.page(session, "active", NOW, limit=3)]
        rest = [each.id for each in lists.page(session, "active", NOW, before=ids[-1])]
        assert (len(ids), len(rest)) == (3, 1)
        assert ids + rest == sorted(ids + rest, reverse=True)
        assert len(lists.page(session, None, NOW)) == 5
        assert [each.id for each in lists.page(session, "paused", NOW)] == [first.id]
        assert lists.counts(session, NOW) == {
            "pending": 0, "active": 4, "unsubscribed": 1, "erased": 0, "paused": 1, "suppressed": 0,
        }  # fmt: skip
