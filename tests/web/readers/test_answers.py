"""Pages are made before Flask begins; whatever is out of the ordinary is refused, explained and logged as ever."""

from wsgiref.validate import validator

import pytest
from werkzeug.test import Client

from db.errors import OperationalError
from web import bulkhead
from web.readers import answers, fresh, pages, watch

PATH = "/compare/quillmate-vs-inkwell"
pytestmark = pytest.mark.once


@pytest.fixture
def store(client):
    store = answers.store_of(client.application)
    watch.look(store)
    return store


@pytest.fixture
def silence(client):
    return client.application.extensions["silence"]


def fails(monkeypatch, error: Exception) -> list[str]:
    """Let each look-up of a comparison fail; the slugs that were looked up."""
    seen: list[str] = []

    def failing(_driver, slug, _now):
        seen.append(slug)
        raise error

    monkeypatch.setattr(pages.shown, "comparison", failing)
    return seen


def test_flask_sees_no_request_for_a_page(client, catalogue, store, monkeypatch):
    def seen():
        raise AssertionError("Flask began")

    monkeypatch.setitem(client.application.before_request_funcs, None, [seen])
    for _ in range(2):
        assert client.get(PATH).status_code == client.get("/archive?page=1").status_code == 200
    store.copies.clear()
    assert client.head(PATH).status_code == 200


def test_a_page_that_does_not_exist_is_looked_up_once_and_explained(client, catalogue, store, monkeypatch):
    seen: list[str] = []
    monkeypatch.setattr(pages.shown, "comparison", lambda _driver, slug, _now: seen.append(slug))
    answer = client.get("/compare/nothing")
    assert (answer.status_code, seen) == (404, ["nothing"])
    assert "There’s no comparison here" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_the_database_refuses_is_503_and_asked_once(client, catalogue, store, silence, monkeypatch):
    seen = fails(monkeypatch, OperationalError("SELECT", None, Exception("the server closed the connection")))
    answer = client.get(PATH)
    assert (answer.status_code, answer.headers["Retry-After"], len(seen)) == (503, "60", 1)
    assert not silence.known
    assert not silence.places._inside
    monkeypatch.undo()
    assert client.get(PATH).status_code == 200


def test_a_database_that_was_silent_for_one_page_is_known_to_be_silent(client, catalogue, store, silence, monkeypatch):
    fails(monkeypatch, OperationalError("SELECT", None, Exception("timeout expired")))
    monkeypatch.setattr(bulkhead, "SILENT_SECONDS", 1e-9)
    assert client.get(PATH).status_code == 503
    assert silence.known
    monkeypatch.undo()
    assert client.get(PATH).status_code == 200  # after a sign of life
    assert not silence.known


def test_a_page_without_a_place_asks_nothing(client, catalogue, store, silence, monkeypatch):
    seen = fails(monkeypatch, AssertionError("it asked"))
    monkeypatch.setattr(silence.places, "places", 0)
    monkeypatch.setattr(silence.places, "patience", 0.0)
    assert client.get(PATH).status_code == 503
    assert not seen


def test_our_own_mistake_is_500_with_the_number_of_the_request(client, catalogue, store, monkeypatch):
    fails(monkeypatch, ZeroDivisionError())
    answer = client.get(PATH)
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"]


def test_a_stranger_s_name_gets_no_page(client, catalogue, store):
    for _ in range(2):
        assert client.get(PATH, headers={"Host": "evil.example"}).status_code == 421


def test_each_page_is_as_the_standard_of_wsgi_wants_it(client, catalogue, store):
    """wsgiref.validate raises an error for whatever is not as PEP 3333 says."""
    client.post("/tools/inkwell/vote", data={"choice": "ship"})
    cookie = {"Cookie": f"voter={client.get_cookie('voter').value}"}
    reader = Client(validator(client.application.wsgi_app))
    for headers in ({}, cookie, {"Accept-Encoding": "gzip"}, cookie | {"Accept-Encoding": "gzip"}):
        for path in ("/", PATH, "/compare/nothing"):
            for method in ("GET", "HEAD"):
                with reader.open(path, method=method, headers=headers) as answer:
                    assert answer.status_code == (404 if path == "/compare/nothing" else 200)
                    tag = answer.headers.get("ETag", "none")
                    answer.get_data()
                with reader.open(path, method=method, headers=headers | {"If-None-Match": tag}) as again:
                    assert again.status_code == (404 if path == "/compare/nothing" else 304)
                    again.get_data()


def test_both_ways_give_the_same_page(client, catalogue, store, monkeypatch):
    """Before the first look of the watch, and in a child of a fork, Flask answers."""
    client.post("/tools/inkwell/vote", data={"choice": "ship"})
    made = {path: client.get(path).data for path in ("/", PATH, "/archive?page=1", "/tools/inkwell", "/subscribe")}
    store.forget()
    monkeypatch.setattr(fresh, "_has", None)
    assert {path: client.get(path).data for path in made} == made
