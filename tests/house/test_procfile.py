"""The Procfile's five lines can be run: by `verdicts up`, and each alone."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from celery.bin.celery import celery
from gunicorn.config import Config
from gunicorn.util import parse_address
from honcho.environ import parse_procfile

from db.monitoring.pauses import QUEUES
from web.front import config

ROOT = Path(__file__).parents[2]
LINES = dict(parse_procfile((ROOT / "Procfile").read_text()).processes)


def options(name: str, program: str) -> list[str]:
    """What follows the program's name in that line."""
    words = shlex.split(LINES[name])
    return words[words.index(program) + 1 :]


def test_the_lines_are_the_five_that_a_newsletter_needs():
    assert list(LINES) == ["web", "worker", "sender", "outside", "clock"]


def test_the_copy_in_the_package_is_the_same():
    assert (ROOT / "web/cli/Procfile").read_text() == (ROOT / "Procfile").read_text()


def test_gunicorn_knows_the_web_line_s_options():
    parsed = Config().parser().parse_args(options("web", "gunicorn"))
    assert parsed.args == ["web.app:app"]
    assert parsed.config == "python:web.front.config"
    known = Config().settings
    assert all(name in known for name in vars(config) if name[0] != "_" and name not in ("os", "Any", "address"))


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", ("127.0.0.1", 8000)), ("0.0.0.0", ("0.0.0.0", 8000)), ("::1", ("::1", 8000))]
)
def test_gunicorn_listens_where_web_host_says(host, address):
    assert parse_address(config.address(host, "8000")) == address


@pytest.mark.parametrize("name", ["worker", "sender", "clock"])
def test_celery_knows_the_other_lines_options(name):
    words = options(name, "celery")
    _, _, app, command, *rest = words
    assert app == "worker.app"
    assert celery.commands[command].make_context(command, rest, parent=None, resilient_parsing=True)


def test_every_queue_has_one_line_that_works_it():
    worked = ["outside"]  # its line is no Celery
    for name in ("worker", "sender"):
        words = options(name, "celery")
        worked += words[words.index("--queues") + 1].split(",")
    assert sorted(worked) == sorted(QUEUES)


def test_the_outside_line_is_a_module_without_celery():
    """Celery, and what the other lines import for it, would take as much memory again."""
    [module] = options("outside", "-m")
    code = f"import {module}, sys; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout.split())
    assert module in loaded
    assert not {"celery", "kombu", "flask", "mjml", "honcho"} & loaded


def test_workers_are_quiet_and_shut_down_softly():
    for name in ("worker", "sender"):
        assert "REMAP_SIGTERM=SIGQUIT" in LINES[name]
        assert {"--without-gossip", "--without-mingle", "--without-heartbeat"} <= set(options(name, "celery"))
