"""Signing in and out: who is heard, who stays signed in, and what a session may not be carried over."""

from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from db import moments
from db.operators import operators
from db.operators.audit import AuditEntry
from db.operators.logins import LoginFailure
from db.session import reading, writing
from web.actions.accounts import passwords
from web.app import create_app

pytestmark = pytest.mark.once  # its questions are asked on both by tests/db/operators/test_logins.py

DANA = "dana@newsroom.example"
ELSEWHERE = [
    "//evil.example/operator", "https://evil.example/operator", "/operatorx", "/", "/operator\\@evil.example",
    "\t//evil.example", "/operator/\r\nX: y", "http://[", "javascript:alert(1)",
]  # fmt: skip


def audited(action: str) -> list[AuditEntry]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)))


def test_a_stranger_is_sent_to_the_login_and_back_to_the_page_asked_for(stranger, account):
    account(DANA, "admin")
    sent = stranger.get("/operator?x=1")
    assert sent.status_code == 303
    assert sent.location == "/operator/login?next=/operator?x%3D1"
    assert stranger.sign_in(DANA, next="/operator?x=1").location == "/operator?x=1"
    assert stranger.get("/operator").status_code == 200


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_the_next_page_is_never_elsewhere(stranger, account, elsewhere):
    account(DANA, "admin")
    assert stranger.sign_in(DANA, next=elsewhere).location == "/operator"


def test_the_first_use_says_which_command_makes_an_account(stranger, account):
    assert "verdicts operator add" in stranger.get("/operator/login").text
    account(DANA, "admin")
    assert "verdicts operator add" not in stranger.get("/operator/login").text


def test_wrong_password_unknown_address_and_disabled_account_hear_the_same_after_the_same_work(
    stranger, account, monkeypatch
):
    account(DANA, "admin")
    gone = account("gone@newsroom.example", "viewer")
    with writing() as session:
        operators.disable(session, gone, datetime.now(UTC))
    verified = []
    real = passwords._hasher.verify
    monkeypatch.setattr(
        passwords._hasher.__class__, "verify", lambda _, kept, given: verified.append(1) or real(kept, given)
    )
    answers = [
        stranger.sign_in(DANA, "not this one"),
        stranger.sign_in("nobody@newsroom.example", "not this one"),
        stranger.sign_in("gone@newsroom.example"),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert len(verified) == 3
    notes = {answer.text.split('role="alert"')[1].split("</p>")[0] for answer in answers}
    assert len(notes) == 1


# ---- the wait after failures -------------------------------------------------------------------------------


def test_after_five_failures_in_a_row_the_next_waits_ever_longer(stranger, account, clock):
    account(DANA, "admin")
    for _ in range(5):
        assert stranger.sign_in(DANA, "wrong").status_code == 401
    right = stranger.sign_in(DANA)
    assert right.status_code == 429
    assert right.headers["Retry-After"] == "30"
    assert "Please wait 30 s." in right.text
    clock.forward(seconds=30)
    assert stranger.sign_in(DANA, "wrong").status_code == 401
    assert stranger.sign_in(DANA).headers["Retry-After"] == "60"
    clock.forward(seconds=60)
    assert stranger.sign_in(DANA).status_code == 303


def test_a_wait_never_exceeds_an_hour_and_is_forgotten_after_two(stranger, account, clock):
    account(DANA, "admin")
    for _ in range(30):
        stranger.sign_in(DANA, "wrong")
        clock.forward(hours=1)
    with reading() as session:
        assert {row.shut_until - row.last_at for row in session.scalars(select(LoginFailure))} == {timedelta(hours=1)}
    clock.forward(hours=2)
    assert stranger.sign_in(DANA, "wrong").status_code == 401
    assert stranger.sign_in(DANA).status_code == 303


def test_a_network_waits_whatever_addresses_it_tries_and_others_do_not(app, stranger, account):
    account(DANA, "admin")
    for each in range(20):
        assert stranger.sign_in(f"guess{each}@newsroom.example", "wrong").status_code == 401
    assert stranger.sign_in(DANA).headers["Retry-After"] == "30"
    elsewhere = app.test_client()
    elsewhere.environ_base["REMOTE_ADDR"] = "198.51.100.7"
    assert elsewhere.sign_in(DANA).status_code == 303


def test_a_login_clears_the_account_s_failures(stranger, account):
    account(DANA, "admin")
    for _ in range(2):
        for _ in range(2):
            stranger.sign_in(DANA, "wrong")
        assert stranger.sign_in(DANA).status_code == 303
        stranger.press("/operator/logout")
    assert stranger.sign_in(DANA, "wrong").status_code == 401  # the network's fifth, which nothing cleared
    with reading() as session:
        assert sorted(row.failures for row in session.scalars(select(LoginFailure))) == [1, 5]


def test_failed_logins_are_audited_once_a_window_and_tell_nothing_that_was_typed(stranger, account, clock):
    account(DANA, "admin")
    for _ in range(8):
        stranger.sign_in(DANA, "wrong")
    assert [(entry.actor, entry.count) for entry in audited("login.failed")] == [(DANA, 1), (DANA, 5)]
    clock.forward(hours=3)
    stranger.sign_in("my secret passphrase", "x")
    assert audited("login.failed")[-1].actor == "unknown"
    with reading() as session:
        assert "secret" not in str([vars(entry) for entry in session.scalars(select(AuditEntry))])
        assert all("secret" not in row.key for row in session.scalars(select(LoginFailure)))


# ---- sessions ----------------------------------------------------------------------------------------------


def test_signing_out_is_a_press_and_is_audited(console):
    browser = console("viewer")
    assert browser.get("/operator/logout").status_code == 405
    assert browser.press("/operator/logout").status_code == 303
    assert browser.get("/operator").status_code == 303
    assert [entry.actor for entry in audited("login")] == ["viewer@newsroom.example"]
    assert [entry.actor for entry in audited("logout")] == ["viewer@newsroom.example"]


def test_a_session_begins_anew_with_the_login(stranger, account):
    account(DANA, "admin")
    token = stranger.token()
    with stranger.session_transaction(path="/operator") as planted:
        planted["planted"] = "by somebody else"
    assert stranger.sign_in(DANA).status_code == 303
    with stranger.session_transaction(path="/operator") as session:
        assert "planted" not in session
    assert stranger.press("/operator/account/alerts", {"csrf_token": token}).status_code == 400


def test_a_stolen_cookie_is_of_no_use_in_another_browser(app, console):
    cookie = console("admin").get_cookie("operator", path="/operator")
    thief = app.test_client(use_cookies=False)
    carried = {"Cookie": f"operator={cookie.value}"}
    assert thief.get("/operator", headers=carried).status_code == 200
    assert thief.get("/operator", headers={**carried, "User-Agent": "another"}).status_code == 303
    forged = {**carried, "X-Forwarded-For": "127.0.0.1"}
    assert thief.get("/operator", headers=forged, environ_base={"REMOTE_ADDR": "198.51.100.7"}).status_code == 303


def test_two_idle_hours_and_twelve_busy_ones_end_a_session(console, clock):
    idle = console("viewer")
    clock.forward(minutes=119)
    assert idle.get("/operator").status_code == 200
    clock.forward(minutes=121)
    assert idle.get("/operator").status_code == 303
    busy = console("editor")
    for _ in range(11):
        clock.forward(hours=1)
        assert busy.get("/operator").status_code == 200
    clock.forward(hours=1)
    assert busy.get("/operator").status_code == 303


def test_a_page_that_refreshes_itself_is_no_presence(console, clock):
    browser = console("viewer")
    for _ in range(4):
        clock.forward(minutes=40)
        last = browser.get("/operator", headers={"X-Live": "part"})
    assert last.status_code == 303


@pytest.mark.parametrize("change", ["disable", "role", "sessions"])
def test_an_order_about_an_account_ends_its_sessions_at_once(console, change):
    browser = console("viewer")
    assert browser.get("/operator").status_code == 200
    with writing() as session:
        if change == "disable":
            operators.disable(session, browser.operator, datetime.now(UTC))
        elif change == "role":
            operators.change_role(session, browser.operator, "admin")
        else:
            operators.end_sessions(session, browser.operator)
    assert browser.get("/operator").status_code == 303


@pytest.mark.parametrize(("base", "secure"), [("http://localhost:8000", False), ("https://verdicts.example", True)])
def test_the_cookie_is_for_the_console_alone(database, account, setting, base, secure):
    account(DANA, "admin")
    setting(BASE_URL=base)
    browser = create_app().test_client()
    page = browser.get("/operator/login", base_url=base)
    said = page.headers["Set-Cookie"]
    assert said.startswith("operator=")
    assert "; HttpOnly; Path=/operator; SameSite=Lax" in said.replace("Secure; ", "")
    assert ("Secure" in said) is secure
    assert "Domain" not in said
    assert "Expires" not in said


def test_an_older_key_still_reads_the_session(console, setting, account):
    browser = console("viewer")
    cookie = browser.get_cookie("operator", path="/operator")
    for keys, status in (("new,a key for tests", 200), ("new", 303)):
        setting(SECRET_KEY=keys)
        again = create_app().test_client(use_cookies=False)
        answer = again.get("/operator", headers={"Cookie": f"operator={cookie.value}"})
        assert answer.status_code == status


def test_a_password_kept_with_other_parameters_is_hashed_anew_at_the_login(stranger, account):
    number = account(DANA, "admin")
    weak = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("a lantern over the harbour")
    with writing() as session:
        operators.get(session, number).password_hash = weak
    assert stranger.sign_in(DANA).status_code == 303
    with reading() as session:
        kept = operators.get(session, number).password_hash
    assert kept != weak
    assert not passwords.is_old(kept)


def test_who_signed_in_at_a_host_whose_clock_is_ahead_stays_signed_in_at_the_others(
    stranger, account, clock, monkeypatch
):
    """Cookies are dated by the host's own clock, and one from the future would count as expired."""
    account(DANA, "admin")
    clock.forward(seconds=90)
    with monkeypatch.context() as ahead:
        ahead.setattr(moments, "_skew", timedelta(seconds=90))
        assert stranger.sign_in(DANA).status_code == 303
    clock.forward(seconds=-90)
    assert stranger.get("/operator").status_code == 200
    clock.forward(hours=12)
    assert stranger.get("/operator").status_code == 303
