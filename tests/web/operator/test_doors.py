"""Signing in and out, and who stays signed in."""

import pytest


def test_a_stranger_is_sent_to_the_login_and_back_to_the_page_asked_for(stranger, account):
    account("dana@newsroom.example", "admin")
    sent = stranger.get("/operator?x=1")
    assert sent.status_code == 303
    assert sent.location == "/operator/login?next=/operator?x%3D1"
    assert stranger.sign_in("dana@newsroom.example", next="/operator?x=1").location == "/operator?x=1"
    assert stranger.get("/operator").status_code == 200


ELSEWHERE = ["//evil.example/operator", "https://evil.example/operator", "/operatorx", "/", "/operator\\@evil.example",
             "\t//evil.example", "/operator/\r\nX: y"]  # fmt: skip


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_the_next_page_is_never_elsewhere(stranger, account, elsewhere):
    account("dana@newsroom.example", "admin")
    assert stranger.sign_in("dana@newsroom.example", next=elsewhere).location == "/operator"


def test_the_wrong_password_and_the_unknown_address_hear_the_same(stranger, account):
    account("dana@newsroom.example", "admin")
    wrong = stranger.sign_in("dana@newsroom.example", "not this one")
    unknown = stranger.sign_in("nobody@newsroom.example", "not this one")
    assert wrong.status_code == unknown.status_code == 401
    assert "do not fit together" in wrong.text
    assert wrong.text.count('role="alert"') == unknown.text.count('role="alert"') == 1


def test_signing_out_is_a_press(console):
    browser = console("viewer")
    assert browser.get("/operator/logout").status_code == 405
    assert browser.press("/operator/logout").status_code == 303
    assert browser.get("/operator").status_code == 303
