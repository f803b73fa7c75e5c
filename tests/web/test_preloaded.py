"""The lines' processes are forks that share what the supervisor has imported, and still each is its own command."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.house.test_procfile import LINES
from tests.prepared import Command
from web.processes import preloaded

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is preloaded")
MEGABYTES = 40

SUPERVISOR = """
import os, sys
import worker
from web.processes import preloaded, procfile_line, supervise
worker.__path__.append(os.getcwd())  # the modules that this test has written
preloaded.MODULES = ("worker.heavy",)
FRESH = "import time; print('fresh', flush=True); time.sleep(60)"
preloaded.Command.fresh = property(lambda self: ["python", "-c", FRESH])
procfile_line.PAUSE_SECONDS = 0.1
commands = {name: f"python -P -m worker.{name}" for name in sys.argv[1:]}
sys.exit(supervise.Supervisor(commands, dict(os.environ), lambda: None).run())
"""
HEAVY = f"""
held = bytearray(b"1") * ({MEGABYTES} << 20)
"""
RUNS = """
import os, sys, time
from worker import heavy
print("runs with", len(os.listdir("/dev/fd")) - 1, "open files as", os.path.basename(sys.argv[0]), flush=True)
time.sleep(60)
"""
REFUSES = """
import atexit, sys
atexit.register(print, "goodbye")
sys.exit("in words")
"""


@pytest.fixture
def supervise(house: Path):
    """Start a supervisor over lines that run the modules of these names, which lie in this folder."""
    (house / "heavy.py").write_text(HEAVY)
    started = []

    def start(**modules: str) -> Command:
        for name, text in modules.items():
            (house / f"{name}.py").write_text(text)
        started.append(
            Command(["python", "-c", SUPERVISOR, *modules], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        )
        return started[-1]

    yield start
    for each in started:
        with suppress(psutil.Error):
            for child in psutil.Process(each.pid).children():
                child.kill()
        each.kill()
        each.wait()


def heard(site: Command, words: str) -> str:
    """Read what it says up to the line that ends with these words."""
    assert site.stdout
    said = ""
    while line := site.stdout.readline():
        said += line
        if line.rstrip().endswith(words):
            return said
    raise AssertionError(f"it ended without {words!r}: {said}")


def private_megabytes(process: psutil.Process) -> float:
    return process.memory_full_info().uss / 2**20


@linux
def test_processes_share_what_was_imported_before_and_nothing_that_is_open(supervise):
    site = supervise(one=RUNS, two=RUNS)
    heard(site, "runs with 3 open files as one.py")
    heard(site, "runs with 3 open files as two.py")
    one, two = sorted(psutil.Process(site.pid).children(), key=lambda each: each.cmdline()[-1])
    for each in (one, two):
        assert each.memory_info().rss / 2**20 > MEGABYTES > 2 * private_megabytes(each)
    assert [each.cmdline()[1:] for each in (one, two)] == [["-P", "-m", "worker.one"], ["-P", "-m", "worker.two"]]
    site.send_signal(signal.SIGTERM)
    assert site.wait(20) == 0


@linux
def test_after_a_change_of_the_code_the_next_process_loads_it(supervise, house):
    site = supervise(one=RUNS)
    heard(site, "open files as one.py")
    [first] = psutil.Process(site.pid).children()
    first.kill()
    assert "one ended (killed by signal 9)." in heard(site, "open files as one.py")
    (house / "heavy.py").write_text(HEAVY + "changed = True\n")
    [second] = psutil.Process(site.pid).children()
    assert second != first
    second.kill()
    heard(site, "fresh")


@linux
def test_a_forked_process_ends_as_a_program_does(supervise):
    site = supervise(ill=REFUSES)
    assert site.wait(30) == 1
    assert site.stdout
    said = site.stdout.read()
    assert said.count("goodbye") == said.count("in words") == said.count("ill ended (exit code 1).") == 4


@linux
def test_what_the_programs_need_starts_no_thread_opens_no_file_and_reads_no_settings():
    code = (
        "import os\n"
        "from db.settings import settings\n"
        "from web.processes.preloaded import Preloaded, ours\n"
        "before = os.listdir('/dev/fd')\n"
        "made = Preloaded([ours('gunicorn web.app:app')])\n"
        "print(made.can_fork(), os.listdir('/dev/fd') == before, settings.cache_info().currsize)\n"
        "made.seen[os.__file__] = 0, 0, 0\n"
        "print(made.can_fork())\n"
    )
    told = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=120)
    assert told.stdout.split() == ["True", "True", "0", "False"], told.stderr


@pytest.mark.parametrize("name", LINES)
def test_every_line_of_the_procfile_can_be_a_fork(name):
    command = preloaded.ours(LINES[name])
    assert command is not None
    words = LINES[name].removeprefix("env REMAP_SIGTERM=SIGQUIT ").removeprefix("python -P -m web.line ")
    assert " ".join(command.words) == words


@pytest.mark.parametrize(
    "line",
    [
        "sleep 60",
        "sh -c 'celery --app worker.app beat'",
        "gunicorn --bind 127.0.0.1:$PORT web.app:app",
        "celery --app worker.app beat | tee log",
        "python -m http.server",
        "celery --app worker.app worker",  # billiard was imported for a worker whose TERM is gentle
        "env REMAP_SIGTERM=SIGQUIT gunicorn web.app:app",
        "env",
    ],
)
def test_whatever_else_a_line_says_is_started_by_a_shell(line):
    assert preloaded.ours(line) is None
