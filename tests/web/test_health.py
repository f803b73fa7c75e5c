"""Signs of life say what answers and what does not."""

from web.app import create_app


def test_a_process_that_answers_is_alive_without_a_database(setting, house):
    (house / "file").touch()
    setting(DATABASE_URL=f"sqlite:///{house}/file/verdicts.sqlite3")
    client = create_app().test_client()
    assert (client.get("/healthz").status_code, client.get("/healthz").text) == (200, "ok\n")
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz").json["database"] == "does not answer"


def test_ready_names_database_and_redis(client, redis_url):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {"ready": True, "database": "ok", "redis": "ok"}
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
