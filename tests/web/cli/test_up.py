"""`verdicts up`: from an empty folder to a site that works, and back to nothing but its data."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests import prepared, templates
from tests.db.test_private_files import modes
from worker.redis import server_program

UP = [str(Path(sys.executable).with_name("verdicts")), "up", "--demo"]

UP_WITH_THE_WEB_ALONE = """
from types import SimpleNamespace
from web.cli import main, up
whole = up.parse_procfile
up.parse_procfile = lambda text: SimpleNamespace(processes={"web": whole(text).processes["web"]})
main(["up"], prog_name="verdicts")
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bare(**variables: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name != "SECRET_KEY"}, **variables}


def still_at_work(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those of `processes` that have not ended within a moment.

    One that has ended and that its parent did not collect is no longer at work: not every container has an init that
    collects it.
    """
    end = time.monotonic() + 10
    while left := [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]:
        if time.monotonic() > end:
            break
        time.sleep(0.05)
    return left


class Up:
    """A running `verdicts up` and what it says."""

    def __init__(self, house: Path, command: Sequence[str] = UP, **variables: str) -> None:
        self.port = free_port()
        self.said = house / "said.txt"
        with self.said.open("w") as out:
            environment = bare(PORT=str(self.port), **variables)
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)

    def wait_for(self, text: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while text not in self.said.read_text():
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < end, self.said.read_text()
            time.sleep(0.1)

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def running(house):
    (house / "var").mkdir()
    (house / "var").chmod(0o755)
    (house / "var/verdicts.sqlite3").touch(0o644)  # as an earlier release left it
    started = Up(house)
    yield started
    started.process.kill()
    started.process.wait()


@pytest.mark.long
@pytest.mark.crash
@pytest.mark.timeout(180)
def test_up_starts_a_whole_newsletter_keeps_it_alive_and_ends_it(running, house):
    running.wait_for(f"Verdicts is running. Open http://localhost:{running.port}")
    running.wait_for("Loaded the demo catalogue.")
    running.wait_for(f"Send this week's digest with: PORT={running.port} ")
    assert "Tidewrit" in running.get("/")
    assert "Letters stay on this machine" in running.said.read_text()
    assert "outbox" in running.get("/outbox").lower()
    assert modes(house / "var") == {}

    second = prepared.run("verdicts", "up", "--demo", env=bare(PORT=str(free_port())))
    assert second.returncode == 1
    assert second.stderr.startswith(f"Error: Verdicts already runs in this folder (process {running.process.pid})")

    redis = next(one for one in running.family() if one.name() == Path(server_program()).name)
    redis.kill()
    running.wait_for("redis ended; starting it again.")

    # A command that forgot the PORT would make links that lead nowhere.
    send = prepared.run("verdicts", "digest", "send", env=bare())
    assert send.returncode == 1
    assert f"BASE_URL is “http://localhost:8000” here, but “http://localhost:{running.port}” with " in send.stderr
    assert f"http://localhost:{running.port}" in (house / "var/settings.json").read_text()

    left = running.family()
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0, running.said.read_text()
    assert not still_at_work(left)
    assert not (house / "var/redis.url").exists()
    assert (house / "var/verdicts.sqlite3").exists()


@pytest.mark.long
def test_the_site_listens_at_web_host_alone(house):
    (house / "var").mkdir(mode=0o700)
    shutil.copy(templates.sqlite(), house / "var/verdicts.sqlite3")
    running = Up(house, [sys.executable, "-c", UP_WITH_THE_WEB_ALONE], WEB_HOST="127.8.8.8")
    try:
        running.wait_for("Verdicts is running")
        with urllib.request.urlopen(f"http://127.8.8.8:{running.port}/healthz", timeout=10) as answer:
            assert answer.status == 200
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", running.port)) != 0
    finally:
        running.process.send_signal(signal.SIGINT)
        running.process.wait(60)


def test_a_port_that_is_taken_is_named_with_another(house):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = prepared.run("verdicts", "up", "--demo", env=bare(PORT=str(port)))
    assert done.returncode == 1
    assert f"Another program listens on port {port}." in done.stderr
    assert f"PORT={port + 1} make up" in done.stderr


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PORT": "eighty"}, "PORT is 'eighty': this is no whole number."),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "The Redis that REDIS_URL names does not answer"),
        ({"BASE_URL": "https://verdicts.example"}, "SECRET_KEY is missing"),
        ({"WEB_HOST": "192.0.2.1"}, "WEB_HOST is 192.0.2.1, which is no address of this machine"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_a_sentence(house, variables, said):
    done = prepared.run("verdicts", "up", "--demo", env=bare(**{"PORT": str(free_port())} | variables))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
