"""What happens here is told to webhooks: each event once, recorded where it happens, with no address in it."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from db import moments
from db.digests import catalog
from db.jobs import jobs as ledger
from db.session import reading, writing
from db.subscribers import subscriptions
from db.subscribers.subscribers import Consent
from db.votes import votes
from db.webhooks.event_types import TEST, TYPES
from tests import hooks
from web.actions import webhooks as actions
from web.actions.digests import digests as digest_actions
from web.actions.subscribers import subscribers as subscriber_actions
from worker import votes as folding
from worker.alerts import checks
from worker.alerts.alerts import watch
from worker.digests import by_hand
from worker.digests import weekly_run as run
from worker.jobs import jobs
from worker.webhooks.webhook_events import EVENTS

ADDRESS = re.compile(r"[\w.]+@[\w.]+|\b\d{1,3}(\.\d{1,3}){3}\b")


@pytest.fixture
def hook(database, clock) -> int:
    """A webhook that hears everything."""
    return hooks.add("https://hooks.example/in").number


def told(hook: int) -> list[tuple[str, dict, str]]:
    """What it is told: type, data and sentence, the oldest first."""
    while jobs.work_one():
        pass
    found = [(each.message.event_type, each.message.data, each.message.text) for each in hooks.sent(hook)]
    assert {name: set(data) for name, data, _ in found}.items() <= documented().items()
    return found


def documented() -> dict[str, set[str]]:
    """The fields of each type's example in docs/webhooks.md."""
    page = (Path(__file__).parents[3] / "docs/webhooks.md").read_text()
    examples = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    return {each["type"]: set(each["data"]) for each in examples}


def subscribe(address: str) -> int:
    with writing() as session:
        subscriptions.request(session, address, words="Yes", words_version="1", locale="en", form_url="/subscribe",
                              ip="192.0.2.7", user_agent="A browser", now=moments.now())  # fmt: skip
    with writing() as session:
        asked = session.query(Consent).filter(Consent.what == "asked").order_by(Consent.id.desc()).first()
        return subscriptions.confirm(session, asked.id, "192.0.2.7", moments.now()).id


def test_every_type_is_told_by_an_event_and_every_event_has_its_type():
    assert sorted(each.event_type for each in EVENTS.values()) == sorted(TYPES)
    assert set(documented()) == {*TYPES, TEST}


# ---- readers -----------------------------------------------------------------------------------------------------


def test_a_subscription_begins_and_ends(hook, cast):
    alice = subscribe(cast.alice)
    with writing() as session:
        subscriptions.leave(session, alice, "one-click", moments.now())
        subscriptions.leave(session, alice, "page", moments.now())  # pressed twice
    found = sorted(told(hook))  # messages may overtake one another
    confirmed, ended = {"subscriber": alice}, {"subscriber": alice, "channel": "one-click"}
    assert found == [
        ("subscription.confirmed", confirmed, f"A reader confirmed their subscription (subscriber {alice})."),
        ("subscription.ended", ended, f"A reader unsubscribed (subscriber {alice})."),
    ]
    assert not ADDRESS.search(json.dumps(found))


def test_an_erasure_ends_a_subscription_and_somebody_who_left_before_ends_none(hook, cast):
    alice, bob = subscribe(cast.alice), subscribe(cast.bob)
    with writing() as session:
        subscriptions.leave(session, bob, "page", moments.now())
    subscriber_actions.erase(hooks.ADA, alice, moments.now(), "asked by mail")
    subscriber_actions.erase(hooks.ADA, bob, moments.now(), "asked by mail")
    ended = [data for name, data, _ in told(hook) if name == "subscription.ended"]
    assert ended == [{"subscriber": bob, "channel": "page"}, {"subscriber": alice, "channel": "erasure"}]


def test_who_never_confirmed_ends_no_subscription(hook, cast):
    with writing() as session:
        subscriptions.request(session, cast.alice, words="Yes", words_version="1", locale="en", form_url="/",
                              ip=None, user_agent=None, now=moments.now())  # fmt: skip
    with writing() as session:
        subscriptions.leave(session, 1, "page", moments.now())
    assert told(hook) == []


def test_what_is_rolled_back_is_not_told(hook, cast):
    alice = subscribe(cast.alice)
    told(hook)
    with pytest.raises(ZeroDivisionError), writing() as session:
        1 / len([] if subscriptions.leave(session, alice, "page", moments.now()) else "never")
    assert [name for name, _, _ in told(hook)] == ["subscription.confirmed"]


# ---- votes -------------------------------------------------------------------------------------------------------


def cast_votes(tool: int, *choices: str) -> None:
    for choice in choices:
        with writing() as session:
            votes.cast(session, votes.new_voter(), tool, choice, moments.now())
    folding.fold()


def figures(hook: int) -> list[tuple[int, int]]:
    return [(data["ship"], data["skip"]) for name, data, _ in told(hook) if name == "figures.changed"]


def test_figures_are_told_once_a_minute_and_the_last_of_a_burst_is_told_too(hook, catalogue, clock):
    cast_votes(catalogue.inkwell, "ship")
    assert figures(hook) == [(1, 0)]
    for _ in range(20):  # a burst of 40 seconds
        clock.forward(seconds=2)
        cast_votes(catalogue.inkwell, "ship")
    assert figures(hook) == [(1, 0)]
    clock.forward(seconds=19)
    folding.fold()
    assert figures(hook) == [(1, 0)]
    clock.forward(seconds=1)
    folding.fold()  # no vote is left to fold
    assert figures(hook) == [(1, 0), (21, 0)]
    clock.forward(minutes=10)
    folding.fold()
    assert figures(hook) == [(1, 0), (21, 0)]


def test_two_tools_are_told_apart_and_an_unchanged_one_is_not(hook, catalogue, clock):
    cast_votes(catalogue.inkwell, "ship", "skip", "skip")
    cast_votes(catalogue.quillmate, "ship")
    found = [data for name, data, _ in told(hook) if name == "figures.changed"]
    assert [(each["tool"], each["ship"], each["skip"], each["community_ship"]) for each in found] == [
        ("inkwell", 1, 2, 33), ("quillmate", 1, 0, 100),
    ]  # fmt: skip
    clock.forward(minutes=2)
    voter = votes.new_voter()
    with writing() as session:
        votes.cast(session, voter, catalogue.inkwell, "ship", moments.now())
        votes.withdraw_all(session, voter, moments.now())
    folding.fold()
    assert len(figures(hook)) == 2


def test_a_vote_that_passes_from_a_browser_to_a_subscriber_changes_no_figures(hook, catalogue, clock):
    browser = votes.new_voter()
    with writing() as session:
        votes.cast(session, browser, catalogue.inkwell, "ship", moments.now())
    folding.fold()
    assert figures(hook) == [(1, 0)]
    clock.forward(minutes=2)
    with writing() as session:
        votes.merge(session, browser, 7)
    folding.fold()
    assert figures(hook) == [(1, 0)]


def test_without_a_listener_a_fold_records_no_job(database, catalogue, clock):
    while jobs.work_one():
        pass
    before = _counted()
    cast_votes(catalogue.inkwell, "ship")
    assert _counted() == before
    hook = hooks.add("https://hooks.example/in").number
    clock.forward(minutes=5)
    folding.fold()
    assert figures(hook) == []  # what changed before is no news


def _counted() -> dict[str, int]:
    with reading() as session:
        return ledger.counts(session)


# ---- comparisons and digests -------------------------------------------------------------------------------------


def test_a_comparison_is_told_when_readers_can_open_it(hook, catalogue, clock):
    [(name, data, text)] = told(hook)
    assert (name, data["comparison"]) == ("comparison.published", "quillmate-vs-inkwell")
    assert text == "New comparison: Quillmate vs Inkwell. Which one writes? " + data["url"]
    with writing() as session:
        pair, in_two_days = ("inkwell", "patchbay"), moments.now() + timedelta(days=2)
        catalog.put_comparison(session, "later", pair, "Which one?", in_two_days, moments.now())
    assert len(told(hook)) == 1
    with writing() as session:  # an editor moves it up by a day
        catalog.put_comparison(session, "later", pair, "Which one?", moments.now() + timedelta(days=1), moments.now())
    clock.forward(hours=23)
    assert len(told(hook)) == 1
    clock.forward(hours=1)
    assert [data["comparison"] for _, data, _ in told(hook)] == ["quillmate-vs-inkwell", "later"]
    clock.forward(days=2)
    assert len(told(hook)) == 2  # the day it was once meant for tells it no second time


@pytest.fixture
def slot(hook, catalogue, cast, clock) -> str:
    subscribe(cast.alice)
    with writing() as session:
        by_hand.send(session, "2026-W47", moments.now())
    return "2026-W47"


def last(hook: int, prefix: str) -> list[tuple[str, dict, str]]:
    return [each for each in told(hook) if each[0].startswith(prefix)]


def test_a_digest_is_frozen_and_finished(hook, slot):
    [(name, data, text)] = last(hook, "digest.")
    assert name == "digest.frozen"
    assert (data["digest"], data["audience"], data["comparisons"]) == (slot, 1, ["quillmate-vs-inkwell"])
    assert text.startswith(f"Digest {slot} is going out to 1 reader: ")
    run.address_frozen()
    with writing() as session:
        session.connection().exec_driver_sql("UPDATE deliveries SET state = 'sent' WHERE letter = 'digest'")
    run.finish_sent()
    run.finish_sent()
    [_, (name, data, text)] = last(hook, "digest.")
    assert (name, text) == ("digest.finished", f"Digest {slot} is finished: 1 sent.")
    assert data["letters"] == {"sent": 1, "failed": 0, "skipped": 0, "unknown": 0, "cancelled": 0}


def test_a_digest_is_cancelled(hook, slot):
    run.address_frozen()
    digest_actions.cancel(hooks.ADA, slot, moments.now(), reason="ada@newsroom.example sent the wrong week")
    found = last(hook, "digest.")
    assert [name for name, _, _ in found] == ["digest.frozen", "digest.cancelled"]
    assert not ADDRESS.search(json.dumps(found))


# ---- alerts ------------------------------------------------------------------------------------------------------


@pytest.fixture
def trouble(monkeypatch) -> list[str]:
    """The keys of what needs a person; it is empty at first."""
    standing: list[str] = []

    def check(session, now):
        for key in standing:
            told = ("Look at the worker line.",)
            yield checks.Condition(key, "age", f"A job has waited ({key})", told, "/operator/queues")

    monkeypatch.setattr(checks, "CHECKS", (check,))
    return standing


def test_an_alert_is_told_when_it_opens_and_when_it_is_over_without_any_job(hook, trouble, clock):
    trouble.append("age:jobs")
    watch(moments.now())
    watch(moments.now())
    found = [(each.message.event_type, each.message.text) for each in hooks.sent(hook)]  # and no reaction has run
    url = "http://localhost:8000/operator/queues"
    assert found == [("alert.opened", f"Alert: A job has waited (age:jobs). Look at the worker line. {url}")]
    clock.forward(minutes=12)
    trouble.clear()
    watch(moments.now())
    watch(moments.now())
    _, closed = hooks.sent(hook)
    assert closed.message.text == "Over: A job has waited (age:jobs). It lasted 12 min."
    assert closed.message.data["closed_at"] == "2026-11-17T08:12:00Z"


def test_many_alerts_at_once_are_told_one_by_one_and_their_summary_is_not(hook, trouble, clock):
    trouble += [f"age:{number}" for number in range(9)]
    watch(moments.now())
    assert len(hooks.sent(hook)) == 9


# ---- who hears what ----------------------------------------------------------------------------------------------


def test_each_webhook_hears_what_it_chose_and_a_disabled_one_nothing(database, clock, cast):
    some = hooks.add("https://hooks.example/some", ["subscription.ended", "alert.opened"]).number
    off = hooks.add("https://hooks.example/off").number
    actions.disable(hooks.ADA, off, "not now", moments.now())
    alice = subscribe(cast.alice)
    with writing() as session:
        subscriptions.leave(session, alice, "page", moments.now())
    assert [name for name, _, _ in told(some)] == ["subscription.ended"]
    assert told(off) == []


def test_an_alert_that_quotes_somebody_is_told_without_the_address(hook, monkeypatch, clock):
    def check(session, now):
        told = ("The server said: 550 <alice@reader.example> is unknown.",)
        yield checks.Condition("breaker:x", "breaker", "alice@reader.example bounced", told, "/operator")

    monkeypatch.setattr(checks, "CHECKS", (check,))
    watch(moments.now())
    [sent] = hooks.sent(hook)
    assert "alice@" not in sent.message.text + json.dumps(sent.message.data)
    assert "550 <a…@r….example> is unknown." in sent.message.text
