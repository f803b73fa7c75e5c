"""The voter's cookie: its name, what becomes of the old one, and what another host of the domain can put beside it."""

import pytest
from sqlalchemy import select

from db.session import reading
from db.settings import settings
from db.votes import votes
from emails.links import sign_voter
from web.app import create_app

PAGE = "/compare/quillmate-vs-inkwell"
HOST = {"Host": "verdicts.example"}

pytestmark = pytest.mark.once


@pytest.fixture
def browser(setting, client, catalogue):
    """A browser in front of a site with https; it sends what each test writes into `Cookie`."""
    setting(BASE_URL="https://verdicts.example")
    return create_app().test_client(use_cookies=False)


def signed(voter: str) -> str:
    return sign_voter(settings().keys, voter)


def press(browser, cookie: str = "", choice: str = "ship"):
    told = HOST | ({"Cookie": cookie} if cookie else {})
    return browser.post("/tools/quillmate/vote", data={"choice": choice}, headers=told)


def voters() -> set[str]:
    with reading() as session:
        return set(session.scalars(select(votes.Vote.voter)))


def set_cookies(answer) -> dict[str, str]:
    return {each.partition("=")[0]: each for each in answer.headers.getlist("Set-Cookie")}


def test_with_https_no_other_host_can_set_the_cookie(browser):
    told = set_cookies(press(browser))
    assert list(told) == ["__Host-voter"]
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in told["__Host-voter"]
    assert "Domain" not in told["__Host-voter"]


def test_without_https_the_name_stays(client, catalogue):
    answer = client.post("/tools/quillmate/vote", data={"choice": "ship"}, headers={"Cookie": "__Host-voter=x"})
    assert list(set_cookies(answer)) == ["voter"]


def test_the_old_name_is_read_and_replaced_with_the_next_answer(browser):
    alice = "anonymous:alice"
    press(browser, f"__Host-voter={signed(alice)}")
    for answer in (browser.get(PAGE, headers=HOST | {"Cookie": f"voter={signed(alice)}"}),
                   press(browser, f"voter={signed(alice)}")):  # fmt: skip
        told = set_cookies(answer)
        assert signed(alice) in told["__Host-voter"]
        assert "Max-Age=0" in told["voter"]
        assert "public" not in answer.headers["Cache-Control"]
    assert "Counted: you said ship." in browser.get(PAGE, headers=HOST | {"Cookie": f"voter={signed(alice)}"}).text
    assert voters() == {alice}


def test_a_copy_that_the_browser_has_already_is_no_obstacle(browser):
    cookie = HOST | {"Cookie": f"voter={signed('anonymous:alice')}"}
    etag = browser.get(PAGE, headers=cookie).headers["ETag"]
    answer = browser.get(PAGE, headers=cookie | {"If-None-Match": etag})
    assert "__Host-voter" in set_cookies(answer)


def test_once_the_new_cookie_is_there_the_old_one_counts_for_nothing(browser):
    mine, tossed = signed("anonymous:alice"), signed("anonymous:mallory")
    for cookie in (f"__Host-voter={mine}; voter={tossed}", f"voter={tossed}; __Host-voter={mine}"):
        answer = press(browser, cookie)
        assert signed("anonymous:alice") in set_cookies(answer)["__Host-voter"]
        assert "Max-Age=0" in set_cookies(answer)["voter"]
    assert voters() == {"anonymous:alice"}


def test_of_two_old_cookies_that_name_two_voters_neither_is_believed(browser):
    mine, tossed = signed("anonymous:alice"), signed("anonymous:mallory")
    answer = browser.get(PAGE, headers=HOST | {"Cookie": f"voter={tossed}; voter={mine}"})
    assert set_cookies(answer) == {}, "to delete one would leave the tossed one alone"
    press(browser, f"voter={tossed}; voter={mine}")
    assert len(voters()) == 1
    assert not voters() & {"anonymous:alice", "anonymous:mallory"}


def test_what_nobody_signed_does_not_hide_a_readers_own_cookie(browser):
    for junk in ("x", "anonymous:mallory.x", "", "é", "." * 300):
        press(browser, f"voter={junk}; voter={signed('anonymous:alice')}")
        press(browser, f"__Host-voter={junk}; voter={signed('anonymous:alice')}")
    assert voters() == {"anonymous:alice"}


def test_a_forged_old_cookie_makes_nobody_of_anybody(browser):
    assert "__Host-voter" not in set_cookies(browser.get(PAGE, headers=HOST | {"Cookie": "voter=anonymous:x.y"}))


def test_only_readers_pages_touch_the_cookie(browser):
    cookie = HOST | {"Cookie": f"voter={signed('anonymous:alice')}"}
    for path in ("/healthz", "/readyz", "/static/verdicts.css", "/operator/login"):
        assert "voter" not in str(browser.get(path, headers=cookie).headers.getlist("Set-Cookie")), path
