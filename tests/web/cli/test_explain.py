"""`verdicts deliveries explain` answers for whatever address is asked about, and the console's page says the same."""

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from db.addresses import hashes_of
from db.deliveries import tests_of_address
from db.operators.audit import Actor
from db.session import writing
from db.subscribers import imports, subscribers, subscriptions, suppressions
from tests.hearing import FULL, GONE, SPAM, all_sent, hear, sent
from tests.operators import put
from tests.transports import SLOT
from web.actions.subscribers import subscribers as actions
from web.cli import main

pytestmark = pytest.mark.usefixtures("database")
OLGA = Actor("olga@newsroom.example")


def explain(*args: str) -> str:
    ran = CliRunner().invoke(main, ["deliveries", "explain", *args])
    assert ran.exit_code == 0, ran.output
    return ran.output


def answer(address: str, *slot: str) -> str:
    return explain(address, *slot).splitlines()[0]


def as_json(address: str) -> dict:
    return json.loads(explain(address, "--json"))


def skipped(number: int, reason: str) -> None:
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'skipped', reason = :reason WHERE id = :id"),
                        {"id": number, "reason": reason})  # fmt: skip


def test_it_arrived_and_every_fact_follows(clock, cast):
    all_sent(clock, [cast.alice])
    told = explain(f" {cast.alice.upper()} ").splitlines()
    assert (
        told[0]
        == f"{cast.alice} got the newsletter of {SLOT}: the mail server took it on 17 November 2026 at 08:00 UTC."
    )
    assert f"{cast.alice} is active" in told
    assert f"2026-11-17 08:00:00 UTC  digest {SLOT}: sent, 1 attempt" in told


def test_a_full_mailbox_in_three_digests_is_told_as_the_reason_for_the_next_one(clock, cast):
    made = all_sent(clock, [cast.alice], finished=True)
    for about in (made, made + 1, made + 2):
        hear(clock, 1 if about == made else sent(clock, about), FULL, event=about)
        clock.forward(days=8)
    stop = "; mail to it has been stopped since 3 December 2026."
    assert answer(cast.alice).endswith(f"because the mailbox refused three newsletters in a row{stop}")
    told = explain(cast.alice)
    assert "    2026-11-17 08:00:00 UTC  Came back: the mailbox did not take it: 552 5.2.2 mailbox full" in told
    assert "suppressed since 2026-12-03 08:00:00 UTC, repeated soft bounce" in told
    skipped(1, "suppressed")
    why = f"because the mailbox refused three newsletters in a row{stop}"
    assert answer(cast.alice) == f"{cast.alice} did not get the newsletter of {SLOT}, {why}"


@pytest.mark.once
def test_who_complained_left_paused_or_came_later_is_told_so(clock, cast):
    all_sent(clock, [cast.alice, cast.bob, cast.charlie])
    hear(clock, 1, SPAM)
    assert "and called it spam on 17 November 2026; mail to it has been stopped since" in answer(cast.alice)
    with writing() as session:
        subscriptions.leave(session, 2, "page", clock.now)
    skipped(2, "unsubscribed")
    assert answer(cast.bob).endswith("because its reader had unsubscribed on 17 November 2026.")
    clock.forward(days=1)
    with writing() as session:
        imports.add_imported(session, {cast.dana: None}, "fair", "f.csv", clock.now)
        session.execute(text("UPDATE subscribers SET paused_until = '2026-12-01 00:00:00' WHERE id = 3"))
    skipped(3, "paused")
    assert answer(cast.charlie).endswith("because its reader had paused it until 1 December 2026.")
    late = "because its reader subscribed on 18 November 2026, after it was put together on 17 November 2026."
    assert answer(cast.dana).endswith(late)


@pytest.mark.once
def test_a_sign_up_that_was_not_confirmed(clock, cast):
    all_sent(clock, [cast.bob])
    with writing() as session:
        subscriptions.request(session, cast.alice, words="w", words_version="1", locale="en", form_url="/", ip=None,
                              user_agent=None, now=clock.now)  # fmt: skip
    assert answer(cast.alice).endswith("because the sign-up of 17 November 2026 has not been confirmed.")
    assert "consent asked by /, to words 1" in explain(cast.alice)


@pytest.mark.once
@pytest.mark.parametrize("together", [False, True])
def test_that_mail_was_stopped_and_allowed_again_is_told_with_who_and_why(clock, cast, together):
    all_sent(clock, [cast.alice, cast.bob])
    hear(clock, 1, GONE)
    hear(clock, 2, GONE, event=2)
    clock.forward(days=1)
    for chosen in ([cast.alice, cast.bob],) if together else ([cast.alice], [cast.bob]):
        hashes = [hashes_of(each)[0] for each in chosen]
        actions.lift(OLGA, hashes, clock.now, "a bad hour", as_admin=False)
    assert answer(cast.alice).endswith(
        "because the address does not exist; mail to it was stopped, and an operator allowed it again on 18 November"
        " 2026 (“a bad hour”)."
    )
    entry = "2026-11-18 08:00:00 UTC  mail allowed again by olga@newsroom.example after: hard bounce (a bad hour)"
    assert entry in explain(cast.alice)
    [again] = as_json(cast.bob)["lifted"]
    assert (again["reason"], again["by"], again["note"]) == ("hard bounce", "olga@newsroom.example", "a bad hour")
    hear(clock, sent(clock, 2), GONE, event=3)
    assert answer(cast.alice, SLOT).endswith("; mail to it has been stopped since 18 November 2026.")


@pytest.mark.once
def test_whose_letter_waits_for_a_held_domain_is_told_so(clock, cast):
    all_sent(clock, [cast.alice])
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'deferred', reason = 'its domain is held'"))
    assert "all mail to reader.example is held, because most of the last letters there were refused" in answer(
        cast.alice
    )


@pytest.mark.once
def test_a_stranger_whom_an_operator_blocked_and_allowed_again(clock, cast):
    all_sent(clock, [cast.bob])
    actions.suppress(OLGA, [cast.charlie], clock.now, "asked by phone")
    actions.lift(OLGA, [hashes_of(cast.charlie)[0]], clock.now, None, as_admin=False)
    assert "mail allowed again by olga@newsroom.example after: by hand" in explain(cast.charlie.upper())


@pytest.mark.once
def test_strangers_are_answered_too(clock, cast):
    all_sent(clock, [cast.bob])
    assert answer(cast.alice) == f"{cast.alice} has never been a subscriber here, so no newsletter was sent to it."
    with writing() as session:
        suppressions.suppress(session, cast.charlie, "by hand", clock.now, "asked by phone")
    assert "has never been a subscriber here, and an operator stopped mail to it on 17 November" in answer(cast.charlie)
    assert "suppressed since 2026-11-17 08:00:00 UTC, by hand: asked by phone" in explain(cast.charlie)
    assert (as_json(cast.alice)["state"], as_json(cast.charlie)["suppressed"]) == (None, True)


@pytest.mark.once
def test_test_letters_and_an_operators_alerts_are_told_too(clock, cast):
    all_sent(clock, [cast.alice])
    for to in (cast.alice, cast.dana):
        number = sent(clock, 1 if to == cast.alice else 2, tests_of_address.person_of(to), "test")
        hear(clock, number, FULL, event=number)
    put(cast.dana, "operator")
    sent(clock, 3, "operator:1", "alert")
    assert [row["letter"] for row in as_json(cast.alice)["deliveries"]] == ["digest", "test"]
    dana = as_json(cast.dana)["deliveries"]
    assert [row["letter"] for row in dana] == ["test", "alert"]
    assert dana[0]["came_back"][0]["kind"] == "soft"


@pytest.mark.once
def test_of_somebody_who_was_erased_only_that_is_known(clock, cast):
    all_sent(clock, [cast.alice])
    hear(clock, 1, FULL)
    with writing() as session:
        number = subscribers.by_address(session, cast.alice).id
    actions.erase(OLGA, number, clock.now)
    assert answer(cast.alice).startswith(f"Whoever had the address {cast.alice} was erased on 17 November 2026")
    assert as_json(cast.alice)["deliveries"] == []
    assert "No letter was ever queued" not in explain(cast.alice)


@pytest.mark.once
def test_the_keys_of_earlier_releases_keep_their_meaning(clock, cast):
    all_sent(clock, [cast.alice])
    hear(clock, 1, FULL)
    told = as_json(cast.alice)
    assert (told["address"], told["state"], told["suppressed"], told["slot"]) == (cast.alice, "active", False, SLOT)
    [row] = told["deliveries"]
    assert (row["slot"], row["state"], row["address"], row["letter"]) == (SLOT, "sent", cast.alice, "digest")
    [back] = row["came_back"]
    assert (back["kind"], back["code"], back["status"]) == ("soft", 552, "5.2.2")


@pytest.mark.once
def test_a_week_without_a_digest_is_refused_and_one_of_two_is_chosen(clock, cast):
    all_sent(clock, [cast.alice])
    ran = CliRunner().invoke(main, ["deliveries", "explain", cast.alice, "2026-W40"])
    assert ran.exit_code == 1
    assert "There is no digest 2026-W40" in ran.output
    sent(clock, 0, letter="welcome")
    assert "welcome: sent" in explain(cast.alice)
    assert "welcome" not in explain(cast.alice, SLOT)
