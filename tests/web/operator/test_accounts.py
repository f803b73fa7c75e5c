"""Accounts: invitations used once, roles, what ends an account, and the admin who must stay."""

import re
import threading
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from db.operators import operators
from db.operators.audit import Actor, AuditEntry
from db.rules import Refused
from db.session import reading, writing
from web.actions.accounts import accounts
from web.cli import main

PASSWORD = "a lantern over the harbour"
DANA, EVE = "dana@newsroom.example", "eve@newsroom.example"
SHELL = Actor("command: tester")


def path(link: str) -> str:
    return link.removeprefix("http://localhost:8000")


def run(*words: str) -> str:
    result = CliRunner().invoke(main, ["operator", *words])
    assert result.exit_code == 0, result.output
    return result.output.strip()


def kept(number: int) -> operators.Operator:
    with reading() as session:
        return operators.get(session, number)


def test_an_invitation_by_command_sets_a_password_once(stranger):
    link = path(run("add", DANA, "--role", "admin", "--note", "she runs it"))
    for _ in range(3):  # a scanner looks at it; that uses nothing up
        assert stranger.get(link).status_code == 200
        assert stranger.head(link).status_code == 200
    both = {"password": PASSWORD, "again": PASSWORD}
    assert stranger.press(link, both).location == "/operator/login"
    assert stranger.press(link, both).status_code == 410
    assert stranger.get(link).status_code == 410
    assert stranger.sign_in(DANA).status_code == 303
    assert stranger.get("/operator/accounts").status_code == 200
    with reading() as session:
        added = session.scalars(select(AuditEntry).where(AuditEntry.action == "account.add")).one()
    assert added.actor.startswith("command: ")
    assert (added.about, added.after, added.note) == (f"operator {DANA}", {"role": "admin"}, "she runs it")
    assert link.rsplit("/", 1)[1] not in str(vars(added))


def test_an_invitation_lapses_after_72_hours(stranger, clock):
    link = path(accounts.add(SHELL, DANA, "viewer", clock.now))
    clock.forward(hours=71, minutes=59)
    assert stranger.get(link).status_code == 200
    clock.forward(minutes=1)
    assert stranger.get(link).status_code == 410
    assert stranger.press(link, {"password": PASSWORD, "again": PASSWORD}).status_code == 410
    assert stranger.sign_in(DANA).status_code == 401


def test_two_presses_at_once_use_an_invitation_once(database):
    token = accounts.add(SHELL, DANA, "viewer", datetime.now(UTC)).rsplit("/", 1)[1]
    said: list[str] = []

    def press(password: str) -> None:
        try:
            accounts.accept(token, password, None, datetime.now(UTC))
            said.append("set")
        except Refused:
            said.append("refused")

    presses = [threading.Thread(target=press, args=(f"a lantern {each} over the harbour",)) for each in range(4)]
    for each in presses:
        each.start()
    for each in presses:
        each.join()
    assert sorted(said) == ["refused", "refused", "refused", "set"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("password", "again", "said"),
    [
        ("short", "short", "at least 12"),
        ("x" * 201, "x" * 201, "at most 200"),
        (DANA, DANA, "your address"),
        ("Weekly AI Tool Verdicts", "Weekly AI Tool Verdicts", "name"),
        ("password1234", "password1234", "first that others would try"),
        ("123456789012", "123456789012", "first that others would try"),
        ("aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", "first that others would try"),
        (PASSWORD, PASSWORD + "!", "do not agree"),
    ],
)
def test_poor_passwords_are_refused_with_what_to_do_and_the_link_still_works(stranger, password, again, said):
    link = path(accounts.add(SHELL, DANA, "viewer", datetime.now(UTC)))
    answer = stranger.press(link, {"password": password, "again": again})
    assert answer.status_code == 422
    assert said in answer.text
    assert f'value="{password}"' not in answer.text.replace(f'name="address" value="{DANA}"', "")
    assert stranger.get(link).status_code == 200


def test_an_admin_invites_on_the_page_and_the_link_stands_there_once(console, app):
    admin = console("admin")
    made = admin.press("/operator/accounts", {"address": DANA, "role": "editor"})
    link = re.search(r"<pre>http://localhost:8000(/operator/invitation/[\w-]+)</pre>", made.text)[1]
    assert link not in admin.get("/operator/accounts").text
    assert app.test_client().get(link).status_code == 200
    assert admin.press("/operator/accounts", {"address": DANA.upper(), "role": "editor"}).status_code == 409
    assert admin.press("/operator/accounts", {"address": "no address", "role": "editor"}).status_code == 422
    assert admin.press("/operator/accounts", {"address": EVE, "role": "king"}).status_code == 409


@pytest.mark.parametrize("order", ["role", "disable", "enable", "sessions", "reset"])
def test_every_order_asks_first_and_is_audited_with_its_note(console, account, order):
    admin, number = console("admin"), account(DANA, "viewer")
    if order == "enable":
        accounts.disable(SHELL, number, datetime.now(UTC))
    before = kept(number)
    data = {"role": "editor"} if order == "role" else {}
    asked = admin.press(f"/operator/accounts/{number}/{order}", data)
    assert asked.status_code == 200
    assert 'name="confirmed" value="yes"' in asked.text
    after = kept(number)
    assert (after.role, after.epoch, after.state) == (before.role, before.epoch, before.state)
    done = admin.press(f"/operator/accounts/{number}/{order}", {**data, "confirmed": "yes", "note": "because"})
    assert done.status_code == (200 if order == "reset" else 303)
    after = kept(number)
    assert (after.role, after.epoch, after.state) != (before.role, before.epoch, before.state)
    with reading() as session:
        last = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (last.action, last.actor, last.note) == (f"account.{order}", "admin@newsroom.example", "because")


def test_a_reset_ends_the_password_the_wait_and_if_asked_the_second_factor(stranger, account):
    number = account(DANA, "viewer")
    account("admin@newsroom.example", "admin")
    with writing() as session:
        operators.set_second_factor(session, number, "sealed", 1, ["hash"])
    for _ in range(5):
        stranger.sign_in(DANA, "wrong")
    link = path(run("reset", DANA))
    assert (kept(number).password_hash, kept(number).totp_secret) == (None, "sealed")
    link = path(run("reset", DANA, "--second-factor"))
    assert kept(number).totp_secret is None
    assert stranger.press(link, {"password": PASSWORD, "again": PASSWORD}).status_code == 303


def test_the_last_active_admin_stays(account, database):
    now = datetime.now(UTC)
    dana = account(DANA, "admin")
    accounts.add(SHELL, EVE, "admin", now)  # invited, and so not able to let anybody in
    for order in (lambda: accounts.disable(SHELL, dana, now), lambda: accounts.change_role(SHELL, dana, "viewer", now)):
        with pytest.raises(Refused, match="last active admin"):
            order()
    other = account("finn@newsroom.example", "admin")
    accounts.disable(SHELL, dana, now)
    with pytest.raises(Refused, match="last active admin"):
        accounts.disable(SHELL, other, now)


def test_two_admins_cannot_degrade_each_other_at_once(account, database):
    pair = [account(DANA, "admin"), account(EVE, "admin")]
    said: list[str] = []
    start = threading.Barrier(2)

    def degrade(number: int) -> None:
        start.wait()
        try:
            accounts.change_role(SHELL, number, "viewer", datetime.now(UTC))
            said.append("degraded")
        except Refused:
            said.append("refused")

    both = [threading.Thread(target=degrade, args=(number,)) for number in pair]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sorted(said) == ["degraded", "refused"]


# ---- one's own account ---------------------------------------------------------------------------------------


@pytest.mark.once
def test_changing_the_password_asks_for_the_old_one_and_ends_the_other_sessions(app, console):
    here = console("viewer")
    elsewhere = app.test_client()
    elsewhere.sign_in("viewer@newsroom.example")
    new = "a ferry under the lighthouse"
    wrong = here.press("/operator/account/password", {"password": "not this", "new": new, "again": new})
    assert wrong.status_code == 422
    assert "not your password" in wrong.text
    assert here.press("/operator/account/password", {"password": PASSWORD, "new": new, "again": new}).status_code == 303
    assert here.get("/operator").status_code == 200
    assert elsewhere.get("/operator").status_code == 303
    assert elsewhere.sign_in("viewer@newsroom.example").status_code == 401
    assert elsewhere.sign_in("viewer@newsroom.example", new).status_code == 303


def test_ending_one_s_other_sessions_leaves_this_one(app, console):
    here = console("viewer")
    elsewhere = app.test_client()
    elsewhere.sign_in("viewer@newsroom.example")
    assert here.press("/operator/account/sessions").status_code == 303
    assert here.get("/operator").status_code == 200
    assert elsewhere.get("/operator").status_code == 303


def test_alerts_are_chosen_by_each_for_themselves(console):
    here = console("viewer")
    here.press("/operator/account/alerts", {"alerts": "no"})
    assert kept(here.operator).alerts is False
    here.press("/operator/account/alerts", {"alerts": "yes"})
    assert kept(here.operator).alerts is True


# ---- by command ----------------------------------------------------------------------------------------------


def test_the_commands_tell_and_change(account):
    account("admin@newsroom.example", "admin")
    assert "no account" in CliRunner().invoke(main, ["operator", "role", DANA, "editor"]).output
    run("add", DANA, "--role", "viewer")
    assert run("role", DANA, "operator") == f"{DANA} has the role operator now."
    assert run("disable", DANA) == f"{DANA} is disabled."
    listed = run("list", "--json")
    assert '"state": "disabled"' in listed
    assert '"role": "operator"' in listed
    assert run("enable", DANA) == f"{DANA} is enabled."
    assert DANA in run("list")
