"""The webhooks page: admins add and change webhooks, see each secret once, and what a server answered; others look."""

import re
from html import unescape

import pytest
from sqlalchemy import select

from db import moments
from db.operators.audit import AuditEntry
from db.session import reading
from db.webhooks import webhooks
from tests import hooks
from tests.receivers import answering, receiving

URL = "https://hooks.example/services/T0/s3cr3t?room=4"


@pytest.fixture
def admin(console):
    return console("admin")


def add(admin, url=URL, events=("alert.opened", "alert.closed"), form="event", **more):
    return admin.press("/operator/webhooks", {"url": url, "event": list(events), "form": form, **more})


def secret_in(page) -> str:
    return unescape(re.search(r"<pre>(whsec_[^<]+)</pre>", page.text)[1])


def all_webhooks():
    with reading() as session:
        return webhooks.listed(session)


def test_an_admin_adds_a_webhook_and_sees_its_secret_once(admin):
    page = add(admin)
    secret = secret_in(page)
    assert page.headers["Cache-Control"] == "no-store"
    [found] = all_webhooks()
    assert (found.origin, found.events, found.url) == ("https://hooks.example", ["alert.opened", "alert.closed"], URL)
    assert found.secrets(moments.now()) == [secret]
    for path in ("/operator/webhooks", f"/operator/webhooks/{found.id}", "/operator/audit", "/operator/audit/1"):
        assert secret not in admin.get(path).text
    assert URL in unescape(admin.get(f"/operator/webhooks/{found.id}").text)


@pytest.mark.once
@pytest.mark.parametrize("role", ["viewer", "editor", "operator"])
def test_others_see_where_it_is_and_not_the_whole_url(console, role):
    number = hooks.add(URL).number
    browser = console(role)
    for path in ("/operator/webhooks", f"/operator/webhooks/{number}"):
        page = browser.get(path).text
        assert "https://hooks.example" in page
        assert "s3cr3t" not in page
        assert '<form method="post" action="/operator/webhooks' not in page
    with reading() as session:
        entries = session.scalars(select(AuditEntry)).all()
        assert "s3cr3t" not in str([(each.about, each.before, each.after, each.note) for each in entries])


@pytest.mark.once
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://hooks.example/", "begins with https:// or http://"),
        ("hooks.example/in", "begins with https:// or http://"),
        ("javascript:alert(1)", "begins with https:// or http://"),
        ("https://ada:pw@hooks.example/", "the user and the password"),
        ("https://hooks.example/#room", "Take out #"),
        ("https://hooks.example/#", "Take out #"),
        ("https:///in", "names no host"),
        ("https://", "names no host"),
        ("https://hooks.example:0/", "cannot be read"),
        ("https://hooks.example:70000/", "cannot be read"),
        ("https://[::1/", "cannot be read"),
        ("https://hooks example/", "no space"),
        ("https://hooks.example/a\nb", "no space"),
        ("https://ho*ks.example/", "no name and no IP address"),
        ("https://" + "a" * 300 + ".example/", "no name and no IP address"),
        ("https://hooks.example/" + "x" * 2000, "longer than 2,000"),
    ],
)
def test_a_url_that_cannot_be_posted_to_is_refused_and_kept_in_the_form(admin, url, told):
    page = add(admin, url)
    assert page.status_code == 422
    assert told in page.text
    assert all_webhooks() == []
    assert re.search(r'<input type="checkbox" name="event" value="alert.opened" checked>', page.text)
    assert not re.search(r'value="digest.frozen" checked', page.text)


@pytest.mark.once
@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" https://Hooks.Example/In ", "https://hooks.example/In"),
        ("http://bücher.example/straße?q=ü", "http://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%BC"),
        ("https://hooks.example", "https://hooks.example/"),
        ("https://hooks.example:8443/a%20b?x=1&y=2", "https://hooks.example:8443/a%20b?x=1&y=2"),
        ("https://[2001:DB8::1]:8443/in", "https://[2001:db8::1]:8443/in"),
    ],
)
def test_a_url_is_kept_as_it_is_requested(admin, typed, kept):
    assert add(admin, typed).status_code == 200
    assert all_webhooks()[0].url == kept


@pytest.mark.once
def test_a_webhook_without_an_event_is_refused(admin):
    page = add(admin, events=())
    assert (page.status_code, all_webhooks()) == (422, [])
    assert "Choose at least one event." in page.text
    assert add(admin, events=("digest.eaten",)).status_code == 422
    assert add(admin, form="smoke").status_code == 422


@pytest.mark.once
def test_a_url_that_leads_into_our_own_network_is_warned_of(admin, setting):
    page = add(admin, "http://127.0.0.1:9000/in")
    assert "OUTSIDE_NETWORKS" in page.text
    assert secret_in(page)
    setting(OUTSIDE_NETWORKS="127.0.0.0/8")
    assert "OUTSIDE_NETWORKS" not in add(admin, "http://127.0.0.1:9000/in").text


def test_a_test_is_sent_and_its_answer_shown(admin, setting):
    setting(OUTSIDE_NETWORKS="127.0.0.0/8")
    with receiving(answering("418 I'm a Teapot")) as receiver:
        number = hooks.add(receiver.url()).number
        page = f"/operator/webhooks/{number}"
        answer = admin.press(f"{page}/test", follow_redirects=True)
        assert "A test is on its way" in answer.text
        hooks.post_all()
        assert len(receiver.heard) == 1
    text = admin.get(page).text
    assert "127.0.0.1 answered 418" in text
    assert "failing" in text
    assert "webhook.test" in admin.get("/operator/webhooks").text


def test_a_new_secret_overlaps_with_the_old_one(admin):
    made = hooks.add(URL)
    asked = admin.press(f"/operator/webhooks/{made.number}/secret")
    assert "For 24 hours" in asked.text
    new = secret_in(admin.agree(asked))
    assert hooks.look(made.number).secrets(moments.now()) == [new, made.secret]
    assert "the old one signs too" in admin.get(f"/operator/webhooks/{made.number}").text


def test_a_webhook_is_disabled_with_a_reason_enabled_and_removed(admin):
    number = hooks.add(URL).number
    page = f"/operator/webhooks/{number}"
    asked = admin.press(f"{page}/disable")
    assert admin.agree(asked, note="").status_code == 409
    assert admin.agree(asked, note="they ask olga@reader.example first").status_code == 303
    text = admin.get(page).text
    assert "disabled" in text
    assert "olga@reader.example" not in text
    assert admin.press(f"{page}/test").status_code == 409
    admin.agree(admin.press(f"{page}/enable"))
    assert hooks.look(number).disabled_at is None
    admin.agree(admin.press(f"{page}/remove"))
    assert all_webhooks() == []
    assert admin.get(page).status_code == 404
    with reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.about == f"webhook {number}"))
        assert [each.action for each in entries] == [
            f"webhooks.{what}" for what in ("add", "disable", "enable", "remove")
        ]


def test_what_it_hears_is_changed(admin):
    number = hooks.add(URL, ["alert.opened"]).number
    form = {"form": "chat", "event": ["digest.frozen", "alert.closed"]}
    assert admin.press(f"/operator/webhooks/{number}/change", form).status_code == 303
    found = hooks.look(number)
    assert (found.form, found.events) == ("chat", ["alert.closed", "digest.frozen"])
    admin.press(f"/operator/webhooks/{number}/change", form)
    with reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "webhooks.change")).all()
    [entry] = entries  # an order without effect is not audited
    assert entry.before == {"form": "event", "events": ["alert.opened"]}
