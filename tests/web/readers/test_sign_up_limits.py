"""Nobody has letters sent to a thousand strangers; who is known, or over a limit, cannot be told from the answers."""

import pytest
from sqlalchemy import func, select, text

from db.jobs import jobs
from db.limits import Bucket
from db.session import reading, writing
from db.subscribers.subscribers import Subscriber
from tests.conftest import Clock
from web.app import create_app
from web.readers import sign_up_limits

ALICE = "alice@reader.example"


def sign_up(client, address, ip="192.0.2.1", **more):
    return client.post("/subscribe", data={"email": address} | more, environ_base={"REMOTE_ADDR": ip})


def letters():
    """How many confirmation emails are owed."""
    with reading() as session:
        kind = jobs.Job.kind == "SubscriptionRequested"
        return session.scalar(select(func.count()).select_from(jobs.Job).where(kind))


def addresses():
    with reading() as session:
        return set(session.scalars(select(Subscriber.address)))


# ---- by network ------------------------------------------------------------------------------------------------


def test_one_network_signs_up_twenty_times_an_hour(client, clock):
    answers = [sign_up(client, f"stranger{each}@reader.example") for each in range(1000)]
    assert [each.status_code for each in answers] == [200] * 20 + [429] * 980
    assert letters() == 20
    last = answers[-1]
    assert last.headers["Retry-After"] == "3600"
    assert "we didn’t take this one. Please try again in 60 minutes." in last.text
    assert sign_up(client, ALICE, ip="192.0.2.2").status_code == 200
    clock.forward(minutes=59)
    assert sign_up(client, "late@reader.example").headers["Retry-After"] == "60"
    clock.forward(minutes=1)
    assert [sign_up(client, f"later{each}@reader.example").status_code for each in range(21)] == [200] * 20 + [429]


def test_the_limit_is_that_of_all_processes(client, clock):
    processes = [client, create_app().test_client(), create_app().test_client()]
    answers = [sign_up(processes[each % 3], f"stranger{each}@reader.example").status_code for each in range(60)]
    assert answers == [200] * 20 + [429] * 40


def test_a_flood_does_not_reach_the_database(client, clock, monkeypatch):
    for each in range(21):
        sign_up(client, f"stranger{each}@reader.example")
    with monkeypatch.context() as patch:
        patch.setattr(sign_up_limits.shared, "lock", lambda *_: pytest.fail("the database was asked"))
        assert {sign_up(client, f"more{each}@reader.example").status_code for each in range(100)} == {429}
    clock.forward(hours=1)
    assert sign_up(client, "later@reader.example").status_code == 200


def test_the_network_is_counted_whoever_is_asked_for(client, clock, active):
    """Otherwise the moment of the 429 would tell whether an address is known."""
    active(ALICE)
    for given in (ALICE, "new@reader.example"):
        assert [sign_up(client, given, ip=given).status_code for _ in range(1)] == [200]
    known = [sign_up(client, ALICE, ip="192.0.2.3").status_code for _ in range(21)]
    new = [sign_up(client, "other@reader.example", ip="192.0.2.4").status_code for _ in range(21)]
    caught = [
        sign_up(client, f"bot{each}@reader.example", ip="192.0.2.5", website="x").status_code for each in range(21)
    ]
    assert known == new == caught == [200] * 20 + [429]


def test_what_was_no_address_is_not_counted(client, clock):
    assert {sign_up(client, "nonsense").status_code for _ in range(50)} == {422}
    assert sign_up(client, ALICE).status_code == 200


@pytest.mark.parametrize(("hops", "behind"), [(1, ", 192.0.2.1"), (2, ", 192.0.2.1, 10.0.0.2")])
def test_forged_headers_and_a_household_s_addresses_help_nobody(sqlite, setting, clock, hops, behind):
    setting(TRUSTED_PROXIES=str(hops))
    client = create_app().test_client()
    answers = []
    for each in range(25):
        seen = behind if each % 2 else behind.replace("192.0.2.1", "::ffff:192.0.2.1")
        form = {"email": f"stranger{each}@reader.example"}
        answers.append(client.post("/subscribe", data=form, headers={"X-Forwarded-For": f'9.9.9.{each}, "{seen}'}))
    assert [each.status_code for each in answers] == [200] * 20 + [429] * 5


def test_without_a_limit_everybody_signs_up_and_nobody_is_remembered(sqlite, setting, clock):
    setting(SIGNUPS_PER_NETWORK="0", SIGNUPS_PER_ADDRESS="0")
    client = create_app().test_client()
    assert {sign_up(client, f"alice+{each}@reader.example").status_code for each in range(30)} == {200}
    assert letters() == 30
    with reading() as session:
        assert not session.scalars(select(Bucket)).all()


# ---- by address --------------------------------------------------------------------------------------------------


def tried(client, clock: Clock, spellings):
    """One sign-up for each, from a network of its own, a quarter of an hour apart; the pages."""
    pages = []
    for number, each in enumerate(spellings):
        pages.append(sign_up(client, each, ip=f"198.51.100.{number}"))
        clock.forward(minutes=15)
    return [(page.status_code, page.text) for page in pages]


PLUS = [f"alice+{each}@reader.example" for each in range(30)]
DOTS = ["a.lice@gmail.com", "al.ice@gmail.com", "ali.ce@googlemail.com", "alic.e+x@gmail.com", "alice@gmail.com"]


@pytest.mark.parametrize("spellings", [[ALICE] * 30, PLUS, DOTS])
def test_one_mailbox_gets_three_letters_a_day_in_whatever_spelling(client, clock, spellings):
    pages = tried(client, clock, spellings)
    assert len(set(pages)) == 1, "the answer tells nothing"
    assert letters() == 3
    assert addresses() == set(spellings[:3]), "typed addresses stay as typed, and those that get no letter are not kept"
    clock.forward(days=1)
    sign_up(client, spellings[-1])
    assert letters() == 4


def test_a_stranger_cannot_use_up_a_readers_letters_in_a_moment(client, clock):
    for each in range(20):
        sign_up(client, ALICE, ip=f"203.0.113.{each}")
    assert letters() == 1, "ten minutes lie between two"
    clock.forward(minutes=11)
    sign_up(client, ALICE)
    assert letters() == 2


def test_a_reader_who_is_subscribed_uses_nothing_up(client, clock, active):
    active(ALICE)
    tried(client, clock, [ALICE] * 10)
    assert letters() == 1
    with writing() as session:
        session.execute(text("UPDATE subscribers SET state = 'unsubscribed'"))
    tried(client, clock, [ALICE] * 3)
    assert letters() == 3
