"""The supervisor: what dies is started again, what must end ends whole."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from tests.prepared import Command
from web.processes.relayed_lines import RelayedLines

SCRIPT = """
import os, resource, sys
from web.processes import no_room, procfile_line, supervise
supervise.TERM_SECONDS, procfile_line.PAUSE_SECONDS, no_room.FIRST_PAUSE_SECONDS = 1.0, 0.1, 0.1
if "as-somebody" in os.environ and os.getuid() == 0:  # the kernel sets root no limit of processes
    os.setgid(54321)
    os.setuid(54321)
commands = dict(zip(sys.argv[1::2], sys.argv[2::2]))

def may_restart():
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (1 if os.path.exists("full") else most, most))
    return not os.path.exists("pulled")

sys.exit(supervise.Supervisor(commands, dict(os.environ), lambda: None, may_restart).run())
"""


@pytest.fixture
def supervise(house):
    """Start a supervisor over these lines, in a process of its own."""
    started = []

    def start(says_to: int = subprocess.PIPE, **lines: str) -> Command:
        words = [word for line in lines.items() for word in line]
        process = Command(["python", "-c", SCRIPT, *words], stdout=says_to, stderr=subprocess.STDOUT)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come about")


def children(process: Command) -> list[psutil.Process]:
    """What the lines have become, without those that are still between fork and exec."""
    supervisor = psutil.Process(process.pid)
    found = []
    for child in supervisor.children(recursive=True):
        with suppress(psutil.Error):  # it ended while we looked
            if child.exe() != supervisor.exe():
                found.append(child)
    return found


def test_term_ends_every_line_and_the_exit_code_is_zero(supervise):
    both = supervise(one="sleep 60", two="sleep 60")
    wait_for(lambda: len(children(both)) == 2)
    left = children(both)
    both.send_signal(signal.SIGTERM)
    assert both.wait(10) == 0
    assert not [process for process in left if process.is_running()]


def test_what_dies_is_started_again(supervise):
    one = supervise(one="sleep 60")
    first = wait_for(lambda: children(one))[0]
    wait_for(lambda: first.name() == "sleep")
    first.kill()
    second = wait_for(lambda: [child for child in children(one) if child.pid != first.pid and child.name() == "sleep"])[
        0
    ]
    assert second.name() == "sleep"
    one.send_signal(signal.SIGINT)
    assert one.wait(10) == 0
    assert "one ended (killed by signal 9)." in one.stdout.read()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is sure to count the processes")
def test_a_machine_without_room_for_a_process_is_waited_for_and_the_others_go_on(supervise, house, monkeypatch):
    monkeypatch.setenv("as-somebody", "")
    house.chmod(0o711)  # so that somebody finds the files
    both = supervise(one="sleep 60", two="sleep 61")
    wait_for(lambda: len(children(both)) == 2)
    first, second = sorted(children(both), key=lambda child: child.cmdline()[-1])
    (house / "full").touch()
    first.kill()
    said = ""
    while "Trying again in 0.4 s." not in said:
        said += both.stdout.readline()
    assert "one cannot be started: no more processes are allowed" in said
    assert children(both) == [second]
    (house / "full").unlink()
    wait_for(lambda: len(children(both)) == 2)
    assert second.is_running()
    (house / "full").touch()
    second.kill()
    while "two cannot be started" not in both.stdout.readline():
        pass
    both.send_signal(signal.SIGTERM)  # it is heard even then
    assert both.wait(10) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's full disk")
def test_a_full_disk_under_the_log_stops_nobody(supervise):
    with open("/dev/full", "wb", buffering=0) as full:
        one = supervise(says_to=full.fileno(), one="sh -c 'echo hello; exec sleep 60'")
    first = wait_for(lambda: children(one))[0]
    wait_for(lambda: first.name() == "sleep")
    first.kill()
    wait_for(lambda: [child for child in children(one) if child.pid != first.pid and child.name() == "sleep"])
    one.send_signal(signal.SIGTERM)
    assert one.wait(10) == 0


def test_a_log_that_knows_few_letters_is_written_all_the_same(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1", write_through=True))
    RelayedLines(["web"], as_json=False).write("web", "caf\xe9 \N{SNOWMAN}")
    assert sys.stdout.buffer.getvalue().endswith(b"web | caf\\xe9 \\u2603\n")


def test_what_keeps_dying_ends_everything_in_words(supervise):
    both = supervise(well="sleep 60", ill="sh -c 'echo I cannot; exit 3'")
    assert both.wait(30) == 1
    said = both.stdout.read()
    assert said.count("I cannot") == 4
    assert "ill ended (exit code 3)." in said
    assert "ill keeps ending as soon as it starts" in said


def test_as_json_every_line_is_an_object_that_names_its_process(supervise, monkeypatch):
    monkeypatch.setenv("LOG_FORMAT", "json")
    both = supervise(
        well="""sh -c 'echo "{\\"event\\": \\"hello\\"}"; exec sleep 60'""",
        ill="sh -c 'echo I cannot; echo [1]; exit 3'",
    )
    assert both.wait(30) == 1
    said = [json.loads(line) for line in both.stdout.read().splitlines()]
    assert {"event": "hello", "process": "well"} in said
    told = [(entry["process"], entry["event"]) for entry in said if "timestamp" in entry]
    assert {("ill", "I cannot"), ("ill", "[1]"), ("up", "ill ended (exit code 3).")} <= set(told)


def test_term_goes_to_the_line_alone_and_kill_to_its_children_too(supervise, house):
    (house / "line.sh").write_text(
        "trap 'touch line-told; exit 0' TERM\n"
        "sh -c \"trap 'touch child-told' TERM; touch ready; while :; do sleep 0.1; done\" &\n"
        "while :; do sleep 0.1; done\n"
    )
    line = supervise(line="sh line.sh")
    wait_for((house / "ready").exists)
    left = children(line)
    line.send_signal(signal.SIGTERM)
    assert line.wait(10) == 0
    assert (house / "line-told").exists()
    assert not (house / "child-told").exists()
    wait_for(lambda: not [one for one in left if one.is_running() and one.status() != psutil.STATUS_ZOMBIE])


def test_a_line_that_does_not_end_is_killed(supervise):
    deaf = supervise(deaf="sh -c 'trap \"\" TERM; echo deaf; while :; do sleep 0.1; done'")
    assert "deaf" in deaf.stdout.readline()
    deaf.send_signal(signal.SIGTERM)
    assert deaf.wait(10) == 0
    assert "deaf does not end; killing it." in deaf.stdout.read()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_lines_end_when_the_supervisor_is_killed(supervise):
    one = supervise(one="sleep 60")
    line = wait_for(lambda: children(one))[0]
    os.kill(one.pid, signal.SIGKILL)
    one.wait()
    wait_for(lambda: not line.is_running() or line.status() == psutil.STATUS_ZOMBIE)


def test_after_a_pull_what_dies_is_not_started_again_and_what_lives_serves_on(supervise, house):
    both = supervise(one="sleep 60", two="sleep 61")
    wait_for(lambda: len(children(both)) == 2)
    first, second = sorted(children(both), key=lambda child: child.cmdline()[-1])
    (house / "pulled").touch()
    first.kill()
    said = ""
    while "Stop with Ctrl-C" not in said:
        said += both.stdout.readline()
    assert "one is not started again, because it would load new code beside old packages" in said
    assert children(both) == [second]
    (house / "pulled").unlink()  # and taken back
    wait_for(lambda: len(children(both)) == 2)
    both.send_signal(signal.SIGTERM)
    assert both.wait(10) == 0
