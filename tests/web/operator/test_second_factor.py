"""The second factor: set up by a code, asked at the login, never twice the same, and recovery codes once each."""

import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from db.operators import operators
from db.operators.operators import RecoveryCode
from db.session import reading
from web.actions.accounts import second_factor
from web.operator.frame.access import blueprint

PASSWORD = "a lantern over the harbour"
ADMIN = "admin@newsroom.example"


@pytest.fixture
def secret(console, clock):
    """`secret(browser)`: set the second factor up as a person does; the key and the recovery codes."""

    def set_up(browser):
        page = browser.get("/operator/account/two-factor").text
        key = re.search(r"by hand: <code>([A-Z2-7 ]+)</code>", page)[1].replace(" ", "")
        code = pyotp.TOTP(key).at(datetime.now(UTC))
        answer = browser.press("/operator/account/two-factor", {"code": code, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return key, re.findall(r"<li><code>([a-z2-7-]+)</code></li>", answer.text)

    return set_up


def now_code(key: str, steps: int = 0) -> str:
    return pyotp.TOTP(key).at(datetime.now(UTC) + timedelta(seconds=30 * steps))


@pytest.mark.once
def test_the_qr_code_stands_in_the_page_without_a_style(console):
    page = console("admin").get("/operator/account/two-factor").text
    assert '<svg viewBox="0 0 ' in page
    assert "style=" not in page


def test_the_key_stays_the_same_until_it_is_set_up_and_a_wrong_code_sets_nothing_up(console):
    browser = console("admin")
    first = browser.get("/operator/account/two-factor").text
    wrong = browser.press("/operator/account/two-factor", {"code": "000000", "password": PASSWORD})
    assert wrong.status_code == 422
    find = r"by hand: <code>([A-Z2-7 ]+)</code>"
    assert re.search(find, first)[1] == re.search(find, wrong.text)[1]
    with reading() as session:
        assert operators.get(session, browser.operator).totp_secret is None


@pytest.mark.once
def test_the_login_asks_for_a_code_and_lets_nobody_in_before(console, secret, clock):
    browser = console("admin")
    key, codes = secret(browser)
    assert len(set(codes)) == 10
    browser.press("/operator/logout")
    clock.forward(minutes=1)
    half = browser.sign_in(ADMIN, next="/operator/audit")
    assert half.location == "/operator/login/code?next=/operator/audit"
    assert browser.get("/operator").status_code == 303
    assert browser.get(half.location).status_code == 200
    whole = browser.press("/operator/login/code", {"code": now_code(key), "next": "/operator/audit"})
    assert whole.location == "/operator/audit"
    assert browser.get("/operator").status_code == 200


@pytest.mark.once
@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 303), (0, 303), (1, 303), (2, 401)])
def test_a_code_of_the_step_before_or_after_is_taken(console, secret, clock, steps, status):
    browser = console("admin")
    key, _ = secret(browser)
    clock.forward(minutes=5)
    browser.press("/operator/logout")
    browser.sign_in(ADMIN)
    assert browser.press("/operator/login/code", {"code": now_code(key, steps)}).status_code == status


def test_no_code_is_taken_twice_nor_an_earlier_one_after_it(console, secret, clock):
    browser = console("admin")
    key, _ = secret(browser)
    browser.press("/operator/logout")
    browser.sign_in(ADMIN)
    assert browser.press("/operator/login/code", {"code": now_code(key)}).status_code == 401  # it set the factor up
    clock.forward(seconds=60)
    code, earlier = now_code(key), now_code(key, -1)
    assert browser.press("/operator/login/code", {"code": code}).status_code == 303
    browser.press("/operator/logout")
    browser.sign_in(ADMIN)
    for again in (code, earlier):
        assert browser.press("/operator/login/code", {"code": again}).status_code == 401


def test_a_recovery_code_lets_in_once_however_it_is_typed(console, secret):
    browser = console("admin")
    _, codes = secret(browser)
    for typed, status in ((codes[0].upper().replace("-", " "), 303), (codes[0], 401), (codes[1], 303)):
        browser.press("/operator/logout")
        browser.sign_in(ADMIN)
        assert browser.press("/operator/login/code", {"code": typed}).status_code == status
    with reading() as session:
        assert operators.codes_left(session, browser.operator) == 8


def test_guessing_codes_is_throttled_and_a_right_password_does_not_undo_that(console, secret):
    browser = console("admin")
    secret(browser)
    browser.press("/operator/logout")
    for _ in range(4):
        browser.sign_in(ADMIN)
        assert browser.press("/operator/login/code", {"code": "000000"}).status_code == 401
    assert browser.sign_in(ADMIN).status_code == 303
    assert browser.press("/operator/login/code", {"code": "000000"}).status_code == 401
    assert browser.press("/operator/login/code", {"code": "000000"}).status_code == 429
    assert browser.sign_in(ADMIN).status_code == 429


def test_five_minutes_after_the_password_the_code_is_not_waited_for_any_more(console, secret, clock):
    browser = console("admin")
    key, _ = secret(browser)
    browser.press("/operator/logout")
    browser.sign_in(ADMIN)
    clock.forward(minutes=5)
    late = browser.press("/operator/login/code", {"code": now_code(key)})
    assert late.location == "/operator/login"
    assert browser.get("/operator").status_code == 303


def test_secret_and_codes_are_kept_so_that_the_database_alone_tells_neither(console, secret, setting):
    browser = console("admin")
    key, codes = secret(browser)
    with reading() as session:
        kept = operators.get(session, browser.operator).totp_secret
        hashes = [row.code_hash for row in session.query(RecoveryCode)]
    assert key not in kept
    assert not {code.replace("-", "") for code in codes} & set(hashes)
    assert second_factor.unsealed(kept) == key
    setting(SECRET_KEY="newer,a key for tests")
    assert second_factor.unsealed(kept) == key
    setting(SECRET_KEY="newer")
    assert second_factor.unsealed(kept) is None


@pytest.mark.once
def test_new_codes_end_the_old_and_removing_the_factor_needs_the_password(console, secret):
    browser = console("admin")
    _, old = secret(browser)
    assert browser.press("/operator/account/two-factor/codes", {"password": "not this"}).status_code == 422
    assert browser.press("/operator/account/two-factor/codes", {"password": PASSWORD}).status_code == 200
    browser.press("/operator/logout")
    browser.sign_in(ADMIN)
    assert browser.press("/operator/login/code", {"code": old[0]}).status_code == 401
    other = console("editor")
    secret(other)
    assert other.press("/operator/account/two-factor/remove", {"password": "not this"}).status_code == 422
    assert other.press("/operator/account/two-factor/remove", {"password": PASSWORD}).status_code == 303
    with reading() as session:
        assert operators.get(session, other.operator).totp_secret is None
        assert operators.codes_left(session, other.operator) == 0


@pytest.mark.once
def test_where_it_is_demanded_nothing_but_its_page_opens(app, console, setting, secret):
    setting(OPERATOR_TWO_FACTOR="required")
    browser = console("admin")
    for rule in app.url_map.iter_rules():
        if rule.endpoint in ("operator.overview", "operator.accounts", "operator.audit", "operator.account"):
            assert browser.get(str(rule)).location == "/operator/account/two-factor"
    assert browser.press("/operator/account/sessions").status_code == 403
    open_before = {
        name for name, view in app.view_functions.items()
        if name.startswith(f"{blueprint.name}.") and getattr(view, "before_second_factor", False)
    }  # fmt: skip
    assert open_before == {"operator.second_factor", "operator.confirm_second_factor", "operator.logout"}
    secret(browser)
    assert browser.get("/operator").status_code == 200
