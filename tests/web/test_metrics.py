"""/metrics tells in numbers what the ledgers hold, to programs on this machine and to whoever has the token."""

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from db import moments
from db.deliveries.limits import breakers
from db.jobs import jobs
from db.jobs.events import ComparisonPublished
from db.monitoring import pauses
from db.schema import RELEASE, REVISION
from db.session import writing
from tests import newsroom
from tests.schemas import belongs_to
from web.app import create_app

TOKEN = "0123456789abcdef0123"
HERE = {"REMOTE_ADDR": "127.0.0.1"}
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}


def numbers(text: str) -> dict[tuple[str, ...], float]:
    """Each sample's number, by the metric's name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def told(client):
    def ask() -> dict[tuple[str, ...], float]:
        answer = client.get("/metrics", environ_base=HERE)
        assert answer.status_code == 200, answer.text
        return numbers(answer.text)

    return ask


def test_an_empty_site_tells_zeros_and_its_release(told):
    found = told()
    assert found["verdicts_release_info", RELEASE, REVISION] == 1
    for queue in ("votes", "jobs", "mail", "outside"):
        assert found["verdicts_queue_waiting", queue] == found["verdicts_queue_oldest_age_seconds", queue] == 0
    assert found["verdicts_jobs", "dead"] == found["verdicts_webhooks", "failing"] == 0
    assert found["verdicts_copy_unconfirmed",] == found["verdicts_stops_waiting",] == 0


def test_it_is_asked_of_the_ledgers_at_each_scrape(told, clock):
    with writing() as session:
        jobs.record(session, ComparisonPublished(1), moments.now())
        pauses.pause(session, "jobs", "a look at it", "dana@newsroom.example", moments.now())
        breakers.refused(session, "mx.relay.example:25", "421 no", moments.now())
    clock.forward(seconds=1)
    found = told()
    assert (found["verdicts_queue_waiting", "jobs"], found["verdicts_queue_paused", "jobs"]) == (1, 1)
    assert found["verdicts_queue_oldest_age_seconds", "jobs"] == 1
    assert (found["verdicts_breakers_open", "relay"], found["verdicts_breakers_open", "domain"]) == (1, 0)
    with writing() as session:
        pauses.resume(session, "jobs")
    assert told()["verdicts_queue_paused", "jobs"] == 0


def test_a_whole_newsroom_is_told_without_naming_anybody(client):
    newsroom.fill(moments.now())
    text = client.get("/metrics", environ_base=HERE).text
    found = numbers(text)
    assert found["verdicts_subscribers", "active"] > 0
    assert sum(count for (name, *_), count in found.items() if name == "verdicts_digest_letters") > 0
    assert any(name == "verdicts_alerts_open" and count for (name, *_), count in found.items())
    assert "@" not in text
    assert ".example" not in text


def test_the_names_follow_the_conventions_and_stand_in_the_manual(told):
    manual = (Path(__file__).parents[2] / "docs" / "operators.md").read_text()
    named = {name for name, *_ in told()}
    assert all(re.fullmatch(r"verdicts_[a-z]+(_[a-z]+)*", name) for name in named)
    assert not {name for name in named if name.endswith(("_total", "_count", "_sum", "_bucket"))}
    assert set(re.findall(r"`(verdicts_[a-z_]+)", manual)) >= named


def test_openmetrics_is_spoken_to_who_asks_for_it(client):
    asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = client.get("/metrics", headers=asked, environ_base=HERE)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert list(openmetrics.text_string_to_metric_families(answer.text))
    assert answer.headers["Cache-Control"] == "no-store"


# ---- who may read ----------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": f"Bearer {TOKEN}x"},
     {"Authorization": "Bearer \xff\xfe"}, {"Authorization": f"Bearer {TOKEN[:-1]}"}],
)  # fmt: skip
def test_a_stranger_needs_the_token(client, setting, headers):
    setting(METRICS_TOKEN=TOKEN)
    answer = create_app().test_client().get("/metrics", headers=headers, environ_base=ELSEWHERE)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
    assert "verdicts_" not in answer.text


@pytest.mark.once
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_who_sends_the_token_may_read_from_anywhere(client, setting, scheme):
    setting(METRICS_TOKEN=TOKEN)
    asked = {"Authorization": f"{scheme} {TOKEN}", "Host": "10.0.0.5:8000"}
    assert client.get("/metrics", headers=asked, environ_base=ELSEWHERE).status_code == 200


@pytest.mark.once
@pytest.mark.parametrize(
    ("headers", "environ"),
    [({}, ELSEWHERE), ({"X-Forwarded-For": "192.0.2.7"}, HERE), ({"Via": "1.1 proxy"}, HERE),
     ({"Host": "metrics.example"}, HERE)],
)  # fmt: skip
def test_without_a_token_only_programs_on_this_machine_may_read(client, headers, environ):
    answer = client.get("/metrics", headers=headers, environ_base=environ)
    assert answer.status_code == 403
    assert "METRICS_TOKEN" in answer.text


@pytest.mark.once
@pytest.mark.parametrize(
    ("site", "token", "status"),
    [("https://verdicts.example", TOKEN, 401), ("https://verdicts.example", "", 200),
     ("http://127.0.0.1:8000", TOKEN, 200)],
)  # fmt: skip
def test_what_looks_like_a_program_of_this_machine_may_be_a_bare_proxy_so_a_public_site_with_a_token_asks_for_it(
    client, setting, site, token, status
):
    """nginx 1.29.7 with `proxy_pass http://127.0.0.1:8000` alone sends HTTP/1.1, this Host, and nothing else."""
    setting(METRICS_TOKEN=token, BASE_URL=site)
    bare = {"Host": "127.0.0.1:8000"}
    assert client.get("/metrics", headers=bare, environ_base=HERE).status_code == status


@pytest.mark.once
def test_by_the_site_s_own_name_this_machine_is_asked_for_the_token_as_well(client, setting):
    """Who asks by a name that others can ask by may have been sent by them."""
    setting(METRICS_TOKEN=TOKEN)
    answer = client.get("/metrics", headers={"Host": "verdicts.example"}, environ_base=HERE)
    assert answer.status_code == 401


def test_a_short_token_is_refused_at_the_start(setting):
    with pytest.raises(ValueError, match="METRICS_TOKEN"):
        setting(METRICS_TOKEN="secret")


# ---- when there is nothing to tell -----------------------------------------------------------------------------


def test_without_a_database_it_says_so(setting, house):
    (house / "file").touch()
    setting(DATABASE_URL=f"sqlite:///{house}/file/verdicts.sqlite3")
    answer = create_app().test_client().get("/metrics", environ_base=HERE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "15")
    assert answer.text.startswith("The database does not answer")


def test_beside_a_database_of_a_later_release_it_says_so(sqlite):
    belongs_to("9.0.0", oldest="9.0.0")
    answer = create_app().test_client().get("/metrics", environ_base=HERE)
    assert answer.status_code == 503
    assert "release 9.0.0" in answer.text
