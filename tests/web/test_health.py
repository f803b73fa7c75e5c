"""Signs of life say what answers and what does not."""

import os
import time

from db import migrations
from db.schema import RELEASE, REVISION
from tests.schemas import belongs_to
from web.app import create_app
from worker.processes import heartbeats


def test_a_process_that_answers_is_alive_without_a_database(setting, house):
    (house / "file").touch()
    setting(DATABASE_URL=f"sqlite:///{house}/file/verdicts.sqlite3")
    client = create_app().test_client()
    assert (client.get("/healthz").status_code, client.get("/healthz").text) == (200, "ok\n")
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz").json["database"] == "does not answer: unable to open database file"


def test_ready_names_database_and_redis(client, redis_url):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {
        "ready": True, "database": "ok", "redis": "ok", "heartbeat": "this process writes none", "mail": "ok",
        "release": RELEASE, "needs": REVISION, "revision": REVISION,
    }  # fmt: skip
    assert answer.headers["Cache-Control"] == "no-store"


def test_without_redis_the_site_serves_on(client, setting):
    setting(REDIS_URL="redis://127.0.0.1:1/0")
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json["redis"] == "does not answer"


def test_a_database_of_no_release_is_not_ready(setting, tmp_path):
    setting(DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3")
    answer = create_app().test_client().get("/readyz")
    assert answer.status_code == 503
    assert "verdicts db upgrade" in answer.json["database"]


def test_a_database_that_lets_this_release_go_on_is_ready_and_says_so(sqlite, redis_url):
    client = create_app().test_client()
    belongs_to("9.0.0", oldest=RELEASE)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["ready"], answer.json["revision"]) == (200, True, "9999")
    assert "release 9.0.0" in answer.json["database"]
    assert client.get("/").status_code == 200


def test_beside_a_database_of_a_later_release_every_page_answers_503_in_words(sqlite, redis_url):
    client = create_app().test_client()
    belongs_to("9.0.0", oldest="9.0.0")
    assert client.get("/readyz").status_code == 503
    assert "start that release or restore the copy made before" in client.get("/readyz").json["database"]
    for path in ("/", "/subscribe", "/operator", "/nowhere"):
        page = client.get(path)
        assert (page.status_code, page.headers["Retry-After"]) == (503, "60"), path
        assert "being brought up to date" in page.text
    assert client.get("/healthz").status_code == 200


def test_beside_an_older_database_readers_are_asked_to_wait_and_then_served(setting, tmp_path):
    setting(DATABASE_URL=f"sqlite:///{tmp_path}/older.sqlite3")
    reader = create_app().test_client()
    assert reader.get("/").status_code == 503
    assert reader.post("/subscribe", data={"address": "alice@reader.example"}).status_code == 503
    migrations.upgrade()
    assert reader.get("/").status_code == 200


def test_ready_tells_how_this_process_s_own_heartbeat_went(client, redis_url, monkeypatch):
    pulse = heartbeats.Pulse(kind="web")
    monkeypatch.setattr(heartbeats, "_pulse", pulse)
    monkeypatch.setattr(heartbeats, "_living", (os.getpid(), "web"))
    pulse.write()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["heartbeat"]) == (200, "ok, 0 s ago")
    pulse.written, pulse.failure = time.monotonic() - 10, "database or disk is full"
    assert client.get("/readyz").status_code == 200, "it may be over in a moment"
    pulse.written -= 10
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["ready"], answer.json["database"]) == (503, False, "ok")
    assert answer.json["heartbeat"] == "not written for 20 s: database or disk is full"
    assert client.get("/").status_code == 200
