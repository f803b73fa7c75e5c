"""Every page of the console, tried by every role and by a stranger: closed by default, forms only with their token."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from werkzeug.routing import AnyConverter, IntegerConverter, Rule

from db.operators.operators import ROLES
from web.operator.frame.access import STRANGER, blueprint

pytestmark = pytest.mark.once  # who may do what is decided before a row is looked for

LEAST = {
    "login": STRANGER, "sign_in": STRANGER, "code": STRANGER, "show_code": STRANGER,
    "invitation": STRANGER, "accept": STRANGER,
    "logout": "viewer", "overview": "viewer",
    "account": "viewer", "change_password": "viewer", "end_own_sessions": "viewer", "choose_alerts": "viewer",
    "second_factor": "viewer", "confirm_second_factor": "viewer", "renew_codes": "viewer",
    "remove_second_factor": "viewer",
    "digests": "viewer", "digest": "viewer", "digest_progress": "viewer", "preview": "viewer",
    "preview_letter": "viewer", "deliveries": "viewer", "schedule": "viewer", "dns": "viewer",
    "change_draft": "editor", "skip_digest": "editor", "test_digest": "editor",
    "archive_passed_over": "editor",
    "send_digest": "operator", "pause_digest": "operator", "resume_digest": "operator", "cancel_digest": "operator",
    "retry_deliveries": "operator", "resolve_deliveries": "operator",
    "audit": "operator", "audit_entry": "operator",
    "jobs": "viewer", "job": "viewer", "queues": "viewer",
    "order_many": "operator", "order_one": "operator", "discard_one": "operator", "edit_job": "operator",
    "replace_job": "operator", "pause_queue": "operator", "resume_queue": "operator",
    "accounts": "admin", "invite": "admin", "account_of": "admin", "change_account": "admin",
    "overview_now": "viewer", "explain": "viewer", "find_person": "viewer", "person": "viewer",
    "suppress_person": "operator", "lift_person": "operator", "export_person": "operator", "erase_person": "admin",
    "suppressions": "viewer", "add_suppression": "operator", "lift_suppression": "operator",
    "webhooks_page": "viewer", "webhook": "viewer", "add_webhook": "admin", "change_webhook": "admin",
    "test_webhook": "admin", "order_webhook": "admin",
    "decide_suspected": "operator", "release_domain": "operator",
}  # fmt: skip
"""The least role for each page and order. Whoever adds one writes it down here as well: two must agree to open it."""


def rules(app) -> list[Rule]:
    return [rule for rule in app.url_map.iter_rules() if str(rule).startswith("/operator")]


def address(app, rule: Rule) -> str:
    values = {}
    for name in rule.arguments:
        converter = rule._converters[name]
        numbered = isinstance(converter, IntegerConverter)
        values[name] = 1 if numbered else next(iter(converter.items)) if isinstance(converter, AnyConverter) else "x"
    return app.url_map.bind("localhost").build(rule.endpoint, values)


def name(rule: Rule) -> str:
    return rule.endpoint.removeprefix("operator.")


@pytest.fixture
def guarded(app, console) -> SimpleNamespace:
    """A browser for each role, with its forms' token; behind the guard every view only says that it was reached."""
    browsers = {STRANGER: app.test_client()} | {role: console(role) for role in ROLES}
    tokens = {role: browser.token() for role, browser in browsers.items()}

    def reached(**_parts: object) -> str:
        return "reached"

    for endpoint, view in list(app.view_functions.items()):
        if endpoint.startswith("operator."):
            stub = lambda **parts: reached(**parts)  # noqa: E731
            stub.__dict__.update(view.__dict__)
            app.view_functions[endpoint] = stub
    return SimpleNamespace(app=app, browsers=browsers, tokens=tokens)


def ways(guarded: SimpleNamespace) -> Iterator[tuple[Rule, str, str]]:
    for rule in rules(guarded.app):
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield rule, method, address(guarded.app, rule)


def test_every_page_stands_in_the_table_and_belongs_to_the_guarded_blueprint(app):
    assert {rule.endpoint.split(".")[0] for rule in rules(app)} == {blueprint.name}
    assert {name(rule) for rule in rules(app)} == set(LEAST)


def test_each_role_opens_what_the_table_says_and_no_more(guarded):
    order = (STRANGER, *ROLES)
    for rule, method, path in ways(guarded):
        for role, browser in guarded.browsers.items():
            data = {"csrf_token": guarded.tokens[role]} if method == "POST" else None
            answer = browser.open(path, method=method, data=data)
            case = f"{role}: {method} {path}: {answer.status}"
            if order.index(role) >= order.index(LEAST[name(rule)]):
                assert answer.status_code == 200, case
            elif role != STRANGER:
                assert answer.status_code == 403, case
            elif method == "POST":
                assert answer.status_code == 401, case
            else:
                assert (answer.status_code, answer.location.split("?")[0]) == (303, "/operator/login"), case
            assert answer.headers["Cache-Control"] == "no-store", case
            assert answer.headers["X-Robots-Tag"] == "noindex", case


def test_no_form_is_taken_without_its_token_or_from_another_site(guarded):
    for rule, method, path in ways(guarded):
        if method != "POST":
            continue
        role = LEAST[name(rule)]
        browser, token = guarded.browsers[role], guarded.tokens[role]
        other = guarded.tokens["admin" if role != "admin" else "viewer"]
        assert browser.post(path).status_code == 400, path
        assert browser.post(path, data={"csrf_token": other}).status_code == 400, path
        elsewhere = {"Origin": "https://evil.example"}
        assert browser.post(path, data={"csrf_token": token}, headers=elsewhere).status_code == 403, path


def test_a_view_without_a_mark_is_closed_to_everybody(app, console):
    browser = console("admin")
    app.view_functions["operator.overview"] = lambda: "open"
    assert browser.get("/operator").status_code == 403


def test_the_menu_names_only_what_one_may_open(console):
    assert "/operator/accounts" in console("admin").get("/operator").text
    viewer = console("viewer").get("/operator").text
    assert "/operator/accounts" not in viewer
    assert 'href="/operator/account"' in viewer


def test_readers_pages_neither_set_nor_read_the_console_s_cookie(app, console, catalogue):
    browser = console("admin")
    assert browser.get_cookie("operator", path="/operator") is not None
    for path in ("/", "/archive", "/compare/quillmate-vs-inkwell", "/nowhere", "/operatorx", "/static/operator.css"):
        answer = browser.get(path)
        assert "Set-Cookie" not in answer.headers, path
        # The same page for somebody who brings the console's cookie where it does not belong.
        cookie = browser.get_cookie("operator", path="/operator")
        fresh = app.test_client(use_cookies=False).get(path, headers={"Cookie": f"operator={cookie.value}"})
        assert fresh.data == answer.data, path
        assert "Set-Cookie" not in fresh.headers, path
