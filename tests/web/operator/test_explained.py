"""A reader's page answers first why they did not get it."""

import pytest

from db.operators.audit import Actor
from tests.hearing import FULL, all_sent, hear, sent
from tests.transports import SLOT
from web.actions.subscribers import subscribers as actions

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("database")]


def test_the_page_begins_with_the_sentence_masked_for_those_who_need_not_know(clock, cast, console):
    all_sent(clock, [cast.alice])
    took = f"got the newsletter of {SLOT}: the mail server took it on 17 November 2026 at 08:00 UTC."
    page = console("operator").get("/operator/people/1").text
    assert f"{cast.alice} {took}" in page
    assert page.index(took) < page.index("Current status")
    masked = console("viewer").get("/operator/people/1").text
    assert f"a…@r….example {took}" in masked
    assert cast.alice not in masked


def test_another_week_is_chosen_by_its_slot_and_one_that_is_none_is_refused(clock, cast, console):
    all_sent(clock, [cast.alice])
    browser = console("viewer")
    assert "got the newsletter of" in browser.get(f"/operator/people/1?slot={SLOT}").text
    for none in ("2026-W40", "x"):
        assert browser.get(f"/operator/people/1?slot={none}").status_code == 404


def test_of_somebody_who_was_erased_only_that_is_told(clock, cast, console):
    all_sent(clock, [cast.alice])
    hear(clock, sent(clock, 9, letter="welcome"), FULL)
    actions.erase(Actor("olga@newsroom.example"), 1, clock.now)
    page = console("operator").get("/operator/people/1").text
    assert "Subscriber 1 was erased on 17 November 2026: of the address only a keyed hash is kept" in page
    assert cast.alice not in page
