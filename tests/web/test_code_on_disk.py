"""A web worker that would load another release's code waits instead, and the others serve on."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import psutil
import pytest

from tests.prepared import Command
from tests.web.test_supervise import wait_for
from web.processes import code_on_disk


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_fingerprint_changes_with_release_packages_and_revisions(tmp_path, monkeypatch):
    monkeypatch.setattr(code_on_disk, "ROOT", tmp_path)
    (tmp_path / "db/migrations/versions").mkdir(parents=True)
    seen = {code_on_disk.fingerprint()}
    for name in ("db/schema.py", "requirements.lock", "db/migrations/versions/0099_more.py"):
        (tmp_path / name).write_text("new")
        seen.add(code_on_disk.fingerprint())
    (tmp_path / "db/a_page.py").write_text("what can be loaded beside the packages that are there")
    seen.add(code_on_disk.fingerprint())
    assert len(seen) == 4


AFTER_A_PULL = """
from web.app import app
def pulled(_environment, name):
    raise LookupError(f"{name} is another release's by now")
app.jinja_env.loader.get_source = pulled
browser = app.test_client()
print([browser.get(page).status_code for page in ("/", "/archive", "/nowhere", "/operator/login")])
"""


def test_pages_that_nobody_has_seen_yet_can_be_shown_after_a_pull(sqlite, house):
    site = Command(["python", "-c", AFTER_A_PULL], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert "[200, 200, 404, 200]" in site.communicate(timeout=30)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="kills one worker of a web server by its process")
def test_a_web_worker_replaced_after_a_pull_waits_and_the_site_stays_open(sqlite, house):
    port = free_port()
    # The first two workers find what the site was started with; for a third another release lies on the disk.
    (house / "web_worker.py").write_text(
        "import os\n"
        "from web.front import worker\n"
        "class Worker(worker.Worker):\n"
        "    def init_process(self):\n"
        "        open('begun', 'a').write(f'{os.getpid()}\\n')\n"
        "        if len(open('begun').readlines()) > 2: os.environ['VERDICTS_STARTED_AS'] = 'the release before'\n"
        "        super().init_process()\n"
    )
    (house / "web_app.py").write_text(
        "import os\nfrom web.app import app\nopen('serves', 'a').write(f'{os.getpid()}\\n')\n"
    )
    line = ["gunicorn", "--config", "python:web.front.config", "--workers", "2", "--threads", "5",
            "--pythonpath", str(house), "--worker-class", "web_worker.Worker", "web_app:app"]  # fmt: skip
    said = house / "said.txt"
    with said.open("w") as out:
        server = Command(line, env=os.environ | {"PORT": str(port)}, stdout=out.fileno(), stderr=out.fileno())
    try:

        def answers() -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        serving = house / "serves"
        wait_for(lambda: serving.exists() and len(serving.read_text().split()) == 2 and answers(), 60)
        os.kill(int(serving.read_text().split()[0]), signal.SIGKILL)
        wait_for(lambda: "This web process is not started again" in said.read_text(), 60)
        wait_for(answers, 30)
        assert all(answers() for _ in range(30))
        assert server.poll() is None
    finally:
        for each in (*psutil.Process(server.pid).children(recursive=True), server):
            each.kill()
        server.wait()
