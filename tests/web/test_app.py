"""What every answer brings along, and what happens when something cannot be done."""

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from db import engine
from web.app import create_app
from web.readers import pages


def test_every_answer_is_kept_in_bounds(client, catalogue):
    for path in ("/", "/compare/quillmate-vs-inkwell", "/nothing", "/healthz", "/static/verdicts.css", "/outbox"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe-inline" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Strict-Transport-Security" not in headers


def test_pages_need_no_inline_style_or_script(client, catalogue):
    for path in ("/", "/archive", "/compare/quillmate-vs-inkwell", "/tools/inkwell", "/subscribe", "/outbox", "/x"):
        page = client.get(path).text
        assert " style=" not in page
        assert "<style" not in page
        assert " onclick" not in page


def test_https_is_remembered_where_it_is_used(setting, client):
    setting(BASE_URL="https://verdicts.example")
    assert "Strict-Transport-Security" in create_app().test_client().get("/").headers


def test_a_page_with_nobodys_vote_may_be_shared_and_one_with_a_vote_not(client, catalogue):
    answer = client.get("/")
    assert "public" in answer.headers["Cache-Control"]
    assert answer.headers["Vary"] == "Accept-Encoding, Cookie"
    client.post("/tools/inkwell/vote", data={"choice": "ship"})
    assert client.get("/").headers["Cache-Control"] == "private, no-cache"


def test_static_files_are_kept_for_a_year_under_their_print(client):
    page = client.get("/").text
    path = page.partition('stylesheet" href="')[2].partition('"')[0]
    assert "?v=" in path
    assert "max-age=31536000" in client.get(path).headers["Cache-Control"]


HARD_PATHS = [
    "/%", "/%zz", "/%00", "/compare/%00", "/compare/%ff%fe", "/tools/..%2f..%2fetc", "/compare/" + "x" * 20_000,
    "/tools/%F0%9F%8E%89", "/digests/%0d%0aX:1", "//evil.example", "/?" + "a=1&" * 5000, "/compare/a?b=%ff%00",
    "/archive?page=%00", "/static/../app.py", "/static/%00",
]  # fmt: skip


def test_no_address_breaks_the_site(client, catalogue):
    for path in HARD_PATHS:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
            answer = client.open(path, method=method)
            assert answer.status_code < 500, (method, path)


def test_nobody_is_sent_to_the_host_that_a_stranger_names(client, catalogue):
    for path in ("/compare//quillmate-vs-inkwell", "//archive", "/archive//", "/outbox//x"):
        assert "Location" not in client.get(path, headers={"Host": "evil.example"}).headers, path


def test_the_wrong_method_is_answered_in_words(client, catalogue):
    answer = client.post("/compare/quillmate-vs-inkwell")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert "button" in answer.text
    assert client.get("/nothing", headers={"Accept": "application/json"}).json["advice"]


def test_odd_headers_break_nothing(client, catalogue):
    for name, value in (("Accept", "a/;q=x"), ("Host", "["), ("Host", "a b"), ("Cookie", "\xff=;;="), ("Range", "x"),
                        ("Content-Length", "-1"), ("X-Forwarded-For", "x"), ("Origin", "\xff")):  # fmt: skip
        assert client.get("/", headers={name: value}).status_code < 500, (name, value)


def test_a_silent_database_is_said_plainly(sqlite, monkeypatch):
    def silent(*_):
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(pages.shown, "latest", silent)
    answer = create_app().test_client().get("/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"
    assert "Nothing was lost" in answer.text


@pytest.mark.parametrize(
    ("path", "form"),
    [("/tools/inkwell/vote", {"choice": "ship"}), ("/tools/inkwell/vote", {"choice": "withdraw"}),
     ("/subscribe", {"email": "alice@reader.example"})],
)  # fmt: skip
def test_a_database_that_another_holds_for_too_long_is_said_plainly(sqlite, monkeypatch, path, form):
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    engine._made.clear()
    held = sqlite3.connect(sqlite.removeprefix("sqlite:///"), isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    answer = create_app().test_client().post(path, data=form)
    held.close()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"


def test_a_mistake_of_ours_shows_no_insides(sqlite, monkeypatch):
    def broken(*_):
        raise RuntimeError("a secret")

    monkeypatch.setattr(pages.shown, "latest", broken)
    answer = create_app().test_client().get("/")
    assert answer.status_code == 500
    assert "a secret" not in answer.text
    assert "Something went wrong" in answer.text


@pytest.mark.parametrize(("proxies", "seen"), [(0, "127.0.0.1"), (1, "2.2.2.2"), (2, "1.1.1.1")])
def test_only_trusted_proxies_tell_where_a_reader_is(sqlite, setting, proxies, seen):
    setting(TRUSTED_PROXIES=proxies)
    app = create_app()
    app.add_url_rule("/where", view_func=lambda: __import__("flask").request.remote_addr)
    answer = app.test_client().get("/where", headers={"X-Forwarded-For": "9.9.9.9, 1.1.1.1, 2.2.2.2"})
    assert answer.text == seen
