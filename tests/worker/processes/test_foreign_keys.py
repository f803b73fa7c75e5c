"""Real processes with a foreign key do not start, and a sender with one mails nobody."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from db import signing_keys
from db.deliveries import deliveries
from db.engine import engine
from db.secret_key import print_of
from db.session import reading, writing
from db.signing_keys import SigningKey
from db.subscribers import suppressions
from db.subscribers.subscribers import Subscriber
from tests import prepared
from tests.crash import postgresql
from tests.crash.deployment import Deployment, free_port, procfile
from tests.crash.processes import ROOT, MailServer, until
from web.app import create_app
from worker.processes import heartbeats, schema_gate
from worker.processes.looks import Looks
from worker.processes.schedule import ScheduleEntry

# The key's SQL is asked of both databases in tests/db/test_signing_keys.py; here processes start, or do not.
pytestmark = [pytest.mark.waits, pytest.mark.once, pytest.mark.timeout(240)]

TOLD = "is not this site's: its newest key, first used"


@pytest.fixture
def site(database: str, monkeypatch) -> str:
    """A site whose key is `a key for tests`."""
    monkeypatch.setattr(schema_gate, "_said", set())
    signing_keys.forget_checks()
    signing_keys.record()
    return database


def run(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The line, until it ends by itself."""
    environment = os.environ | variables
    if "gunicorn" not in line:  # its two workers fail at moments that differ less in forks
        return prepared.run(*line.split(), cwd=ROOT, env=environment, timeout=120)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-c", f"exec {line}"], cwd=ROOT, env=environment | {"PATH": path},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("words", ["digest list", "jobs list", "digest send --yes"])
def test_a_command_with_a_foreign_key_refuses_in_one_sentence(site, redis_url, words):
    ended = run(f"verdicts {words}", SECRET_KEY="foreign")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: SECRET_KEY")
    assert TOLD in ended.stderr
    assert ended.stderr.endswith("SECRET_KEY=NEW,OLD), or, if the old one is lost, run: verdicts db forget-key\n")
    assert ended.stderr.count("\n") == 1


def test_help_version_upgrade_and_doctor_work_with_any_key(site, redis_url):
    for words in ("--help", "--version", "digest list --help", "db upgrade"):
        assert run(f"verdicts {words}", SECRET_KEY="foreign").returncode == 0, words
    looked = run("verdicts doctor", SECRET_KEY="foreign")
    assert looked.returncode == 1
    assert f"✕ keys: SECRET_KEY, or the key in var/secret_key, {TOLD}" in looked.stdout


@pytest.mark.parametrize("name", ["web", "worker", "sender", "clock"])
def test_no_line_of_the_procfile_starts_with_a_foreign_key(site, redis_url, name):
    ended = run(procfile()[name], SECRET_KEY="foreign", PORT=str(free_port()))
    assert ended.returncode != 0
    assert f"Error: SECRET_KEY, or the key in var/secret_key, {TOLD}" in ended.stderr
    assert "Traceback" not in ended.stderr
    with reading() as session:
        assert signing_keys.newest(session).key_print == print_of(b"a key for tests")


def test_a_lost_key_is_forgotten_by_command_and_the_next_process_starts(site, redis_url):
    assert run("verdicts digest list", SECRET_KEY="new").returncode == 1
    forgotten = run("verdicts db forget-key --yes", SECRET_KEY="new")
    assert forgotten.returncode == 0, forgotten.stderr
    assert "Start all processes again" in forgotten.stdout
    assert run("verdicts digest list", SECRET_KEY="new").returncode == 0
    assert "key.forget" in run("verdicts audit list", SECRET_KEY="new").stdout
    assert run("verdicts digest list").returncode == 1, "the lost key is the foreign one now"


# ---- a database that did not answer when the process started -------------------------------------------------------


def test_a_look_with_a_foreign_key_does_no_work_and_says_so_once(site, setting, clock):
    setting(SECRET_KEY="foreign")
    worked: list[str] = []
    entry = ScheduleEntry("some.work", "votes", 60, 15, "for this test")
    made = Looks("worker", {entry: lambda: worked.append("worked")})
    with capture_logs() as logs:
        for _ in range(3):
            made.one(made.looks["some.work"])
    assert worked == []
    [told] = [each["told"] for each in logs if each["event"] == "waiting for the database"]
    assert TOLD in told
    setting(SECRET_KEY="a key for tests")
    made.one(made.looks["some.work"])
    assert worked == ["worked"]


def test_pages_with_a_foreign_key_answer_503_and_write_nothing(site, setting):
    setting(SECRET_KEY="foreign")
    client = create_app().test_client()
    assert client.get("/").status_code == 503
    assert client.post("/subscribe", data={"email": "alice@reader.example"}).status_code == 503
    assert client.get("/healthz").status_code == 200
    with reading() as session:
        assert session.query(SigningKey).count() == 1
        assert session.query(Subscriber).count() == 0


def test_a_web_process_records_its_key_with_its_first_heartbeat_and_never_in_a_request(database, clock):
    signing_keys.forget_checks()
    assert create_app().test_client().get("/").status_code == 200
    with reading() as session:
        assert signing_keys.newest(session) is None
    pulse = heartbeats.Pulse(kind="web")
    pulse.write()
    assert pulse.failure == ""
    with reading() as session:
        assert signing_keys.newest(session).key_print == print_of(b"a key for tests")


# ---- mail --------------------------------------------------------------------------------------------------------


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[MailServer]:
    server = MailServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def sending(site: str, tmp_path: Path, mail: MailServer, request) -> Iterator[Deployment]:
    environment = {"DATABASE_URL": site, "MAIL_URL": mail.url, "MAIL_FROM": "digest@verdicts.example"}
    made = Deployment(tmp_path, environment)
    yield made
    made.close()


def owe_a_letter(address: str) -> None:
    now = datetime.now(UTC)
    with writing() as session:
        fields = {"address": address, "address_key": address, "state": "active", "created_at": now}
        session.add(reader := Subscriber(**fields, confirmed_at=now))
        session.flush()
        deliveries.owe(session, "welcome", reader.id, f"subscriber:{reader.id}", now)


def states() -> list[str]:
    with reading() as session:
        return [each.state for each in session.query(deliveries.Delivery).order_by(deliveries.Delivery.id)]


@pytest.mark.long
def test_a_sender_that_runs_while_another_key_comes_mails_nobody_and_goes_on_with_it(
    sending: Deployment, mail: MailServer, cast, setting, tmp_path
):
    sending.start("sender", "clock")
    owe_a_letter(cast.bob)
    until(lambda: states() == ["sent"], "a letter while the keys agree")
    with writing() as session:
        session.add(SigningKey(number=2, key_print=print_of(b"new"), first_used_at=datetime.now(UTC)))
    setting(SECRET_KEY="new")
    with writing() as session:
        suppressions.suppress(session, cast.alice, "by hand", datetime.now(UTC))
    owe_a_letter(cast.alice)
    log = tmp_path / "sender.log"
    until(lambda: "letters wait" in log.read_text(), "the sender's word")
    assert states() == ["sent", "pending"]
    sending._environment["SECRET_KEY"] = "new,a key for tests"
    sending.kill("sender")
    until(lambda: states() == ["sent", "skipped"], "what becomes of a suppressed reader's letter")
    assert [to for to, _ in mail.letters()] == [cast.bob]


@pytest.mark.long
def test_a_sender_with_a_foreign_key_never_mails_a_suppressed_reader(
    sending: Deployment, mail: MailServer, cast, tmp_path
):
    with writing() as session:
        suppressions.suppress(session, cast.alice, "complaint", datetime.now(UTC))
    owe_a_letter(cast.alice)
    sending._environment["SECRET_KEY"] = "foreign"
    sending.start("sender")
    log = tmp_path / "sender.log"
    until(lambda: sending._running["sender"].poll() is not None, "the foreign sender's end")
    assert TOLD in log.read_text()
    assert states() == ["pending"]
    sending._environment["SECRET_KEY"] = "a key for tests"
    sending.start("clock")
    sending.kill("sender")
    until(lambda: states() == ["skipped"], "what the site's own sender makes of it")
    assert mail.letters() == []


@pytest.mark.long
def test_processes_that_start_before_the_database_answers_check_the_key_before_they_work(
    setting, mail: MailServer, cast, tmp_path
):
    with postgresql.server() as server:
        setting(DATABASE_URL=server.url)
        signing_keys.record()
        with writing() as session:
            suppressions.suppress(session, cast.alice, "complaint", datetime.now(UTC))
        owe_a_letter(cast.alice)
        engine().dispose()
        server.stop("fast")
        environment = {"DATABASE_URL": server.url, "MAIL_URL": mail.url, "MAIL_FROM": "digest@verdicts.example"}
        foreign = Deployment(tmp_path, environment | {"SECRET_KEY": "foreign"})
        try:
            foreign.start("sender", "web")
            until(
                lambda: serves_nobody(foreign, tmp_path) and "mail.send" in (tmp_path / "sender.log").read_text(),
                "their start",
            )
            server.start()
            until(lambda: TOLD in (tmp_path / "sender.log").read_text(), "the sender's word")
            assert states() == ["pending"]
            assert serves_nobody(foreign, tmp_path)
            assert foreign._running["sender"].poll() is None
            with reading() as session:
                assert signing_keys.newest(session).key_print == print_of(b"a key for tests")
        finally:
            foreign.close()
            engine().dispose()
    assert mail.letters() == []


def serves_nobody(site: Deployment, folder: Path) -> bool:
    """Whether pages say that they cannot be shown; a web process that starts after the database ends its server."""
    try:
        return status(site.port, "/") == 503
    except httpx.HTTPError:
        return TOLD in (folder / "web.log").read_text()


def status(port: int, path: str) -> int:
    return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=20).status_code
