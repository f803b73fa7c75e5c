"""Nobody votes like a machine gun: not by throwing the cookie away, not with forged headers; readers notice nothing."""

import pytest
from sqlalchemy import func, select

from db.driver import driver_connection
from db.monitoring import heartbeats
from db.session import reading, writing
from db.settings import settings
from db.subscribers import subscriptions
from db.votes import votes
from emails.links import sign_voter
from tests.conftest import load_catalogue
from web.app import create_app

pytestmark = pytest.mark.once

PROGRAM = {"Accept": "application/json"}


def press(client, choice="ship", tool="quillmate", ip="192.0.2.1", **headers):
    environ = {"REMOTE_ADDR": ip}
    return client.post(f"/tools/{tool}/vote", data={"choice": choice}, headers=headers, environ_base=environ)


def stand():
    with reading() as session:
        return session.scalar(select(func.count()).select_from(votes.Vote).where(votes.Vote.choice.is_not(None)))


def flood(client, number, **how):
    """So many votes, each without the cookie of the one before; the status of each."""
    found = []
    for _ in range(number):
        client.delete_cookie("voter")
        found.append(press(client, **how).status_code)
    return found


# ---- by network ------------------------------------------------------------------------------------------------


def test_whoever_throws_the_cookie_away_gets_sixty_votes_a_minute(client, clock, catalogue):
    assert flood(client, 200) == [303] * 60 + [429] * 140
    assert stand() == 60
    clock.forward(seconds=59)
    assert flood(client, 1) == [429]
    clock.forward(seconds=1)
    assert flood(client, 61) == [303] * 60 + [429]


def test_the_page_says_when_to_come_back_and_that_is_true(client, clock, catalogue):
    flood(client, 61)
    clock.forward(seconds=18)
    answer = press(client)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "42"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert "yours wasn’t counted. Please try again in 42 seconds." in answer.text
    assert 'class="note' in answer.text, "verdicts.js shows the sentence of the note"
    told = press(client, **PROGRAM)
    assert (told.status_code, told.headers["Retry-After"]) == (429, "42")
    assert told.json["advice"].endswith("Please try again in 42 seconds.")
    clock.forward(seconds=42)
    assert press(client).status_code == 303


def test_a_reader_of_the_same_network_who_voted_before_goes_on_voting(client, clock, catalogue):
    press(client)
    flood(other := client.application.test_client(), 70)
    assert press(other).status_code == 429
    assert press(client, "skip").status_code == 303
    assert press(client, "withdraw").status_code == 303
    assert press(client.application.test_client(), ip="192.0.2.2").status_code == 303, "the neighbours may vote"


def test_a_subscriber_is_never_refused_for_the_networks_sake(client, clock, catalogue, active, link):
    alice = active("alice@reader.example")
    flood(client, 70)
    client.set_cookie("voter", sign_voter(settings().keys, f"subscriber:{alice}"))
    assert press(client).status_code == 303
    client.delete_cookie("voter")
    mailed = client.post(
        link("vote", alice) + "?tool=inkwell&choice=ship", headers={"Origin": "null"},
        environ_base={"REMOTE_ADDR": "192.0.2.1"},
    )  # fmt: skip
    assert mailed.status_code == 200


def test_the_cookie_of_somebody_who_was_erased_is_no_cookie(client, clock, catalogue, active):
    alice = active("alice@reader.example")
    with writing() as session:
        subscriptions.erase(session, alice, clock.now)
    cookie = sign_voter(settings().keys, f"subscriber:{alice}")
    client.set_cookie("voter", cookie)
    assert press(client).status_code == 303
    flood(client, 59)
    client.set_cookie("voter", cookie)
    answer = press(client)
    assert answer.status_code == 429
    assert "from your network" in answer.text
    assert stand() == 60


def test_forged_cookies_and_withdrawals_count_as_none(client, clock, catalogue):
    for turn in range(70):
        client.set_cookie("voter", f"anonymous:{turn}.forged")
        answer = press(client, ("ship", "withdraw")[turn % 2])
        assert answer.status_code == (303 if turn < 60 else 429)
    assert stand() == 30


def test_without_a_limit_everybody_votes(setting, client, clock, catalogue):
    setting(VOTES_PER_NETWORK="0")
    assert flood(create_app().test_client(), 100) == [303] * 100
    setting(VOTES_PER_NETWORK="5")
    assert flood(create_app().test_client(), 7) == [303] * 5 + [429] * 2


IPV6 = [f"2001:db8:0:7:{each:x}::1" for each in range(70)]
MAPPED = [("192.0.2.1", "::ffff:192.0.2.1")[each % 2] for each in range(70)]


@pytest.mark.parametrize("addresses", [IPV6, MAPPED])
def test_one_household_has_one_count_whatever_its_addresses(client, clock, catalogue, addresses):
    assert sum(flood(client, 1, ip=ip)[0] == 303 for ip in addresses) == 60


def lives(kind, now, number):
    with driver_connection() as driver:
        heartbeats.live(driver, f"{kind}@{number}", kind, now, now, heartbeats.RunsAs("other.example"))


def test_the_processes_of_all_hosts_share_the_limit(client, clock, catalogue):
    for number in range(4):
        lives("web", clock.now, number)
        lives("worker", clock.now, number)
    assert flood(client, 20) == [303] * 15 + [429] * 5
    clock.forward(seconds=61)
    assert flood(client, 70) == [303] * 60 + [429] * 10, "the others have ended"


# ---- behind proxies ----------------------------------------------------------------------------------------------

FORGED = [
    "9.9.9.{}",
    "9.9.9.{}, 8.8.8.8",
    '"9.9.9.{}',
    '9.9.9.{}, "x',
    '\\", 9.9.9.{}',
    ",,,{}",
    "x" * 900 + "{}",
    "é{}",
]
"""What a client writes into X-Forwarded-For; the proxies add what they see behind it."""


@pytest.mark.parametrize("hops", [0, 1, 2])
@pytest.mark.parametrize("forged", FORGED)
def test_forged_headers_help_nobody(sqlite, setting, clock, hops, forged):
    load_catalogue()
    setting(TRUSTED_PROXIES=str(hops), VOTES_PER_NETWORK="5")
    client = create_app().test_client()
    seen = ["", ", 192.0.2.1", ", 192.0.2.1, 10.0.0.2"][hops]
    proxy = "192.0.2.1" if not hops else "10.0.0.1"
    told = [press(client, ip=proxy, **{"X-Forwarded-For": forged.format(turn) + seen}).status_code
            for turn in range(8) if client.delete_cookie("voter") is None]  # fmt: skip
    assert told == [303] * 5 + [429] * 3
    client.delete_cookie("voter")
    others = ["", ", 192.0.2.9", ", 192.0.2.9, 10.0.0.2"][hops]
    other = press(client, ip="192.0.2.9" if not hops else proxy, **{"X-Forwarded-For": forged.format(9) + others})
    assert other.status_code == 303, "another network has a count of its own"


@pytest.mark.parametrize("written", ["192.0.2.1:5{}", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:4{}"])
def test_what_a_proxy_writes_around_the_address_makes_no_other_network(sqlite, setting, clock, written):
    load_catalogue()
    setting(TRUSTED_PROXIES="1", VOTES_PER_NETWORK="5")
    client = create_app().test_client()
    for turn in range(6):
        client.delete_cookie("voter")
        answer = press(client, ip="10.0.0.1", **{"X-Forwarded-For": written.format(turn)})
    assert answer.status_code == 429


# ---- by voter ----------------------------------------------------------------------------------------------------


def test_one_voter_changes_votes_thirty_times_a_minute(client, clock, catalogue):
    answers = [press(client, choice).status_code for choice in ("ship", "skip", "withdraw") * 11]
    assert answers == [303] * 30 + [429] * 3
    told = press(client)
    assert told.headers["Retry-After"] == "60"
    assert "You’ve changed your votes too often" in told.text
    clock.forward(seconds=60)
    assert press(client).status_code == 303


def test_mailed_links_and_buttons_are_one_count(client, clock, catalogue, active, link):
    alice = active("alice@reader.example")
    client.set_cookie("voter", sign_voter(settings().keys, f"subscriber:{alice}"))
    assert {press(client).status_code for _ in range(20)} == {303}
    path = link("vote", alice) + "?tool=inkwell&choice=ship"
    mailed = [client.post(path, headers={"Origin": "null"}) for _ in range(11)]
    assert [each.status_code for each in mailed] == [200] * 10 + [429]
    assert "Please try again in 60 seconds." in mailed[-1].text
    assert 'aria-label="Site"' not in mailed[-1].text, "pages behind links in letters have no menu"
    assert client.get(path).status_code == 200, "looking is free"
