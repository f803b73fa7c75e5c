"""An operator's first day, by keyboard alone: the link, the password, the second factor, and in again with both."""

from datetime import UTC, datetime, timedelta

import pyotp
from playwright.sync_api import Page

from db.operators.audit import Actor
from web.actions.accounts import accounts

PASSWORD = "a lantern over the harbour"


def typed(page: Page, **fields: str) -> None:
    """Fill the fields of these names and press Enter in the last."""
    for name, value in fields.items():
        page.focus(f"main [name={name}]")
        page.keyboard.type(value)
    page.keyboard.press("Enter")


def test_an_invited_operator_gets_in_and_sets_up_a_second_factor(open_browser, axe):
    link = accounts.add(Actor("command: tester"), "dana@newsroom.example", "admin", datetime.now(UTC))
    page = open_browser(width=360)
    page.goto(link)
    assert axe(page) == []
    typed(page, password=PASSWORD, again=PASSWORD)
    page.get_by_text("Your password is set").wait_for()
    assert axe(page) == []
    typed(page, address="dana@newsroom.example", password=PASSWORD)
    page.get_by_role("navigation", name="Console").wait_for()

    page.goto("/operator/account/two-factor")
    assert axe(page) == []
    key = page.locator(".steps code").inner_text().replace(" ", "")
    typed(page, code=pyotp.TOTP(key).now(), password=PASSWORD)
    page.get_by_role("heading", name="Recovery codes").wait_for()
    assert axe(page) == []
    recovery = page.locator(".codes code").first.inner_text()

    out = page.get_by_role("button", name="Sign out")
    out.focus()
    page.keyboard.press("Enter")
    page.get_by_text("You are signed out").wait_for()
    typed(page, address="dana@newsroom.example", password=PASSWORD)
    page.get_by_role("heading", name="The second factor").wait_for()
    assert axe(page) == []
    typed(page, code=pyotp.TOTP(key).at(datetime.now(UTC) + timedelta(seconds=30)))
    page.get_by_role("navigation", name="Console").wait_for()

    without_script = open_browser(java_script_enabled=False)
    without_script.goto("/operator/accounts")
    typed(without_script, address="dana@newsroom.example", password=PASSWORD)
    without_script.get_by_role("heading", name="The second factor").wait_for()
    typed(without_script, code=recovery)
    without_script.get_by_role("heading", name="Accounts").wait_for()
    for path in ("/operator/account", "/operator/accounts/1"):  # they say more of who has a second factor
        page.goto(path)
        assert axe(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
