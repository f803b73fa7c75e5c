"""Double opt-in with its proof, leaving at once, and an audience that stays countable whoever comes and goes."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from db import addresses, rules
from db.jobs import jobs
from db.rules import BadAddress, Refused
from db.session import reading, writing
from db.subscribers import audiences, imports, subscribers, subscriptions, suppressions
from db.subscribers.subscribers import Consent, Subscriber

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)
FORM = {
    "words": "Send me the weekly letter.",
    "words_version": "1",
    "locale": "en",
    "form_url": "https://verdicts.example/",
    "ip": "203.0.113.7",
    "user_agent": "Firefox",
}


def ask(address: str, at: datetime = NOW) -> int | None:
    """Sign up; the number of the sign-up if a confirm letter became due."""
    with writing() as session:
        before = len(jobs.listed(session, ["pending"]))
        subscriptions.request(session, address, **FORM, now=at)
        owed = jobs.listed(session, ["pending"])
        return owed[0].payload["sign_up"] if len(owed) > before else None


def confirm(sign_up: int, at: datetime = NOW) -> Subscriber:
    with writing() as session:
        return subscriptions.confirm(session, sign_up, "203.0.113.8", at)


def leave(subscriber_id: int, at: datetime = NOW) -> None:
    with writing() as session:
        subscriptions.leave(session, subscriber_id, "link", at)


def freeze() -> subscribers.Freeze:
    with writing() as session:
        return audiences.count_audience(session, NOW)


def audience(number: int) -> int:
    with reading() as session:
        asked = text("SELECT count(*) FROM subscribers WHERE " + audiences.AUDIENCE)
        return session.scalar(asked, {"freeze": number}) or 0


@pytest.fixture(autouse=True)
def _ground(database):
    pass


def test_alice_asks_and_confirms_and_both_are_kept_as_proof(cast):
    sign_up = ask(cast.alice)
    assert sign_up is not None
    assert confirm(sign_up).state == "active"
    with reading() as session:
        asked, given = session.scalars(select(Consent).order_by(Consent.id))
    assert (asked.what, asked.words, asked.words_version, asked.source) == (
        "asked",
        FORM["words"],
        "1",
        FORM["form_url"],
    )
    assert (asked.ip, asked.user_agent, asked.at) == ("203.0.113.7", "Firefox", NOW)
    assert (given.what, given.ip, given.sign_up) == ("given", "203.0.113.8", sign_up)


def test_confirming_twice_is_confirming_once(cast):
    sign_up = ask(cast.alice)
    confirm(sign_up)
    confirm(sign_up)
    with reading() as session:
        kinds = [job.kind for job in jobs.listed(session, ["pending"])]
    assert kinds.count("SubscriptionConfirmed") == 1


def test_the_form_sent_again_and_again_owes_one_letter_in_ten_minutes(cast):
    assert ask(cast.alice) is not None
    assert ask(cast.alice.upper(), NOW + timedelta(minutes=9)) is None
    assert ask(cast.alice, NOW + timedelta(minutes=11)) is not None


def test_an_active_address_is_left_as_it_is(cast):
    confirm(ask(cast.alice))
    assert ask(cast.alice, NOW + timedelta(days=1)) is None


def test_a_link_is_over_after_fourteen_days_and_after_leaving(cast):
    sign_up = ask(cast.alice)
    with pytest.raises(Refused, match="Subscribe again"):
        confirm(sign_up, NOW + rules.SIGN_UP_LIFE)
    person = confirm(sign_up, NOW + timedelta(days=1))
    leave(person.id, NOW + timedelta(days=2))
    with pytest.raises(Refused, match="Subscribe again"):
        confirm(sign_up, NOW + timedelta(days=3))
    with reading() as session:
        found = subscriptions.sign_up_of(session, sign_up, NOW)
        assert found is not None
        assert found.state == "over"
        assert subscriptions.sign_up_of(session, 999, NOW) is None


def test_who_leaves_while_the_confirm_button_is_pressed_is_not_told_that_they_are_subscribed(cast):
    sign_up = ask(cast.alice)
    became: list[str] = []

    def press() -> None:
        try:
            became.append(confirm(sign_up).state)
        except Refused:
            became.append("refused")

    with writing() as session:
        subscriptions.leave(session, subscribers.by_address(session, cast.alice).id, "link", NOW)
        beside = threading.Thread(target=press)
        beside.start()
        beside.join(timeout=0.5)  # it waits for her row
    beside.join(timeout=20)
    assert became == ["refused"]


def test_who_left_while_a_file_was_read_is_not_brought_back(cast):
    ask(cast.alice)
    became: dict[str, str] = {}

    def bring() -> None:
        with writing() as session:
            became.update(imports.add_imported(session, {cast.alice: None}, "At the fair", "people.csv", NOW))

    with writing() as session:
        alice = subscribers.by_address(session, cast.alice).id
        subscriptions.leave(session, alice, "link", NOW)
        beside = threading.Thread(target=bring)
        beside.start()
        beside.join(timeout=0.5)
    beside.join(timeout=20)
    assert became == {cast.alice: "unsubscribed"}


def test_leaving_twice_is_leaving_once_and_stays_in_the_proof(cast):
    person = confirm(ask(cast.alice))
    leave(person.id)
    leave(person.id)
    with reading() as session:
        told = [entry.what for entry in subscribers.history(session, person.id)]
        assert told == ["asked", "given", "withdrawn"]
        found = subscribers.find(session, person.id)
        assert found is not None
        assert found.state == "unsubscribed"


def test_who_was_active_at_a_freeze_can_be_counted_ever_after(cast):
    alice, bob = confirm(ask(cast.alice)), confirm(ask(cast.bob))
    first = freeze()
    charlie = confirm(ask(cast.charlie))  # too late for the first
    leave(alice.id)  # and Alice was still there
    assert (first.audience, audience(first.number)) == (2, 2)
    second = freeze()
    assert (second.audience, audience(second.number)) == (2, 2)
    assert audience(first.number) == 2
    with reading() as session:
        state = {person.id: person.state for person in session.scalars(select(Subscriber))}
    assert state == {alice.id: "unsubscribed", bob.id: "active", charlie.id: "active"}


def test_someone_who_leaves_and_comes_back_between_two_freezes_was_never_away(cast):
    alice = confirm(ask(cast.alice))
    taken = freeze()
    leave(alice.id)
    confirm(ask(cast.alice, NOW + timedelta(hours=1)), NOW + timedelta(hours=1))
    assert audience(taken.number) == taken.audience == 1


def test_suppressed_is_asked_by_keyed_hash_and_survives_a_new_key(cast, setting):
    person = confirm(ask(cast.charlie))
    with writing() as session:
        suppressions.suppress(session, cast.charlie.upper(), "by hand", NOW)
    setting(SECRET_KEY="a newer key,a key for tests")
    with reading() as session:
        assert subscribers.people(session, [person.id])[person.id].suppressed
        stored = session.scalars(select(suppressions.Suppression.address_hash)).one()
    assert cast.charlie.split("@")[0] not in stored


@pytest.mark.parametrize(
    "address",
    [
        "", "   ", "alice", "alice@", "@reader.example", "a b@reader.example", "alice@reader..example",
        "alice@-reader.example", "alice@reader.example\r\nBcc: bob@reader.example", "alice\x00@reader.example",
        "alice@[127.0.0.1]", "aliçe@reader.example", "a" * 65 + "@reader.example", "a@" + "b" * 260 + ".example",
        "alice@reader.example, bob@reader.example", "<alice@reader.example>", "alice@localhost",
        "a\u2028b@reader.example",
        "😀" * 300 + "@reader.example", "\u202ealice@reader.example", '"alice"@reader.example', ".alice@reader.example",
    ],
)  # fmt: skip
def test_an_address_of_bad_shape_is_refused_and_nothing_is_kept(address):
    with pytest.raises(BadAddress) as refused:
        ask(address)
    assert len(str(refused.value)) > 20
    with reading() as session:
        assert session.scalars(select(Subscriber)).all() == []


def test_an_international_domain_is_kept_as_it_goes_on_the_wire():
    assert addresses.normal("alice@BÜCHER.example") == "alice@xn--bcher-kva.example"
    assert addresses.normal(" Alice+News@Reader.Example ") == "Alice+News@reader.example"
