"""Nobody is held up by somebody slow: two workers, no proxy in front, and clients who send nothing or read nothing."""

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil
import pytest

from tests import templates
from tests.bench.slow_clients import Crowd, ask
from tests.crash.processes import ROOT, until
from tests.prepared import run
from tests.web.front.applications import MANY
from tests.web.front.serving import ALIVE, Server, say, served

pytestmark = [pytest.mark.once, pytest.mark.waits]

LATE = 25.0
"""Seconds; on a machine with much else to do, what is to come after ten may come so late."""
DEMO = ROOT / "web/cli/demo.yaml"
PAGE = b"GET /told HTTP/1.1\r\nHost: localhost\r\n\r\n"
FORM = b"POST /told HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nchoice=ship"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with served("tests.web.front.applications:app", tmp_path) as made:
        yield made


def test_two_thousand_silent_clients_twenty_slow_forms_and_twenty_slow_readers_hold_up_nobody(server):
    crowd = Crowd(server.port, large=b"GET /wide HTTP/1.1\r\nHost: localhost\r\n\r\n")
    crowd.gather()
    watching = crowd.start()
    waits = []
    try:
        begun = time.monotonic()
        while any(client.closed is None for client in crowd.clients if client.kind != "reads nothing"):
            assert time.monotonic() < begun + LATE, "some are never let go"
            for request in (PAGE, FORM, ALIVE):
                seconds, answer = ask(server.port, request, 10)
                assert answer.startswith(b"HTTP/1.1 200")
                waits.append(seconds)
            time.sleep(0.2)
    finally:
        crowd.over.set()
        watching.join()
        crowd.leave()
    assert median(waits) < 1
    assert len(crowd.of("silent")) == 2000
    for kind in ("half a form", "a byte a second"):
        assert {client.answer[:12] for client in crowd.of(kind)} == {b"HTTP/1.1 408"}


def test_who_reads_nothing_is_let_go(server):
    crowd = Crowd(server.port, silent=0, forms=0, readers=3, large=b"GET /wide HTTP/1.1\r\nHost: localhost\r\n\r\n")
    crowd.gather()
    crowd.start()
    until(lambda: all(client.closed is not None for client in crowd.clients), "the end of their connections")
    crowd.leave()
    assert ask(server.port, PAGE, 2)[1].startswith(b"HTTP/1.1 200")


def test_half_a_request_line_is_refused_after_ten_seconds_however_slowly_it_comes(server):
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.settimeout(0.5)
        began = time.monotonic()
        said = b""
        for letter in b"GET /told HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 100:
            client.sendall(bytes([letter]))
            try:
                said = client.recv(1000)
                break
            except TimeoutError:
                continue
    assert said.startswith(b"HTTP/1.1 408 ")
    assert 9 < time.monotonic() - began < LATE


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
@pytest.mark.parametrize("held_by", ["silent", "forms"])
def test_where_few_files_may_be_open_who_holds_a_place_for_longest_makes_room(server, held_by):
    """400 files leave room for 144 connections in each process (on some systems 1,024 is the limit)."""
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (400, 400))
    for each in (before := workers(server)):
        each.kill()
    until(lambda: not set(before) & set(workers(server)) and len(workers(server)) == 2, "other workers")
    until(lambda: ask(server.port, ALIVE, 5)[1], "an answer")
    crowd = Crowd(server.port, **({"silent": 0, "forms": 0, "readers": 0} | {held_by: 900}))
    crowd.gather()
    crowd.start()
    until(lambda: sum(client.closed is not None for client in crowd.clients) >= 250, "room", LATE)
    gone_last = sum(client.closed is not None for client in crowd.clients[-100:])
    assert gone_last < 20, "who came last has to go first"  # some, whose form is read after later ones', seem to have
    waits = [ask(server.port, PAGE, 5) for _ in range(20)]
    crowd.leave()
    assert all(answer.startswith(b"HTTP/1.1 200") for _, answer in waits)
    assert median(seconds for seconds, _ in waits) < 1
    assert "Traceback" not in server.said()


def test_what_is_over_capacity_is_refused_at_once_and_healthz_and_files_are_served_meanwhile(server):
    """Two hundred clients ask all the time for a page that takes a third of a second, of which thirty a second fit."""
    over, refused, served_ = threading.Event(), [], []

    def hammer() -> None:
        while not over.is_set():
            seconds, answer = ask(server.port, b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n", 20)
            (refused if answer.startswith(b"HTTP/1.1 503") else served_).append((seconds, answer))
            over.wait(0.2)

    threads = [threading.Thread(target=hammer) for _ in range(200)]
    for each in threads:
        each.start()
    until(lambda: refused, "a refusal")
    alive = [ask(server.port, ALIVE, 5) for _ in range(30) if not time.sleep(0.1)]
    over.set()
    for each in threads:
        each.join()
    assert all(answer.startswith(b"HTTP/1.1 200") for _, answer in alive)
    assert median(seconds for seconds, _ in alive) < 1
    assert all(b"\r\nRetry-After: 5\r\n" in answer for _, answer in refused)
    assert median(seconds for seconds, _ in refused) < 2, "in turn, they would wait for seven seconds"
    assert max(seconds for seconds, _ in served_) < LATE
    assert all(answer.startswith(b"HTTP/1.1 200") for _, answer in served_)
    assert "Traceback" not in server.said()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Server]:
    """The site itself, with the demo catalogue."""
    variables = {"DATABASE_URL": f"sqlite:///{tmp_path}/site.sqlite3", "REDIS_URL": "redis://127.0.0.1:1/0"}
    environment = os.environ | variables | {"SECRET_KEY": "a key for tests"}
    shutil.copy(templates.sqlite(), tmp_path / "site.sqlite3")
    done = run("verdicts", "import", "--archive", str(DEMO), cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    with served("web.app:app", tmp_path, **variables) as made:
        yield made


def test_a_page_opens_within_a_second_while_hundreds_ask_for_more_than_can_be_served(site):
    """They have voted, so that every page is made for them; the one who only reads comes before them, whether a page is
    kept or not."""
    pages = [f"/tools/{slug}" for slug in re.findall(r"^  - slug: (\S+)", DEMO.read_text(), re.MULTILINE)][:10]
    crowd = subprocess.Popen(
        [sys.executable, "-m", "tests.web.front.hammer", str(site.port), "200"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert crowd.stdout
    assert crowd.stdout.readline() == "somebody was refused\n"
    kept = [_opened(site.port, "/") for _ in range(10) if not time.sleep(0.05)]
    afresh = [_opened(site.port, path) for path in pages]
    told, _ = crowd.communicate("enough\n", timeout=30)
    longest, *statuses = told.split()
    for opened in (kept, afresh):
        assert median(seconds for seconds, _ in opened) < 1
        assert not any(refused for _, refused in opened)
    assert set(statuses) == {"200", "503"}
    assert float(longest) < LATE


def _opened(port: int, path: str) -> tuple[float, int]:
    """After how many seconds somebody who tries again after a 503 has the page, and how often that was."""
    began, refused = time.monotonic(), 0
    while not ask(port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), 20)[1].startswith(b"HTTP/1.1 200"):
        refused += 1
        time.sleep(0.2)
    return time.monotonic() - began, refused


# ---- large bodies and answers go through in constant memory --------------------------------------------------------


def test_an_upload_of_75_mb_passes_through_the_disk_and_not_through_the_memory(server):
    piece = os.urandom(1_000_000)
    whole = hashlib.sha256(piece * 75).hexdigest()
    with socket.create_connection(("127.0.0.1", server.port), 60) as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % MANY)
        for _ in range(75):
            client.sendall(piece)
        answer = client.recv(65536)
    got = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (got["size"], got["sha256"]) == (MANY, whole)
    assert got["memory"] < 150_000_000


def test_an_answer_of_75_mb_is_sent_as_it_is_read_and_holds_no_thread(server):
    """The client begins to read after five seconds; by then the thread has long been free again."""
    readers = [socket.create_connection(("127.0.0.1", server.port), 60) for _ in range(12)]
    for each in readers:
        each.sendall(b"GET /large HTTP/1.0\r\n\r\n")
    until(lambda: ask(server.port, PAGE, 5)[1].startswith(b"HTTP/1.1 200"), "a page")
    size = 0
    for each in readers[:2]:
        while piece := each.recv(1_000_000):
            size += len(piece)
    for each in readers:
        each.close()
    assert size > 2 * MANY
    peak = int(say(server.port, b"GET /memory HTTP/1.1\r\nHost: localhost\r\n\r\n").body)
    assert peak < 150_000_000


# ---- workers end, and are ended ------------------------------------------------------------------------------------


def workers(server: Server) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def test_a_killed_worker_is_replaced_and_the_port_stays_open(server):
    first = {each.pid for each in workers(server)}
    os.kill(min(first), signal.SIGKILL)
    assert say(server.port, PAGE).statuses == [200], "the other one answers"
    until(lambda: len(workers(server)) == 2 and {each.pid for each in workers(server)} != first, "another worker")


def test_term_lets_those_in_hand_have_their_answers(server):
    with (
        socket.create_connection(("127.0.0.1", server.port), 10) as client,
        socket.create_connection(("127.0.0.1", server.port)) as silent,
    ):
        client.sendall(b"GET /slow?seconds=3 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1)
        began = time.monotonic()
        server.process.terminate()
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"Connection: close" in answer
        assert silent.recv(10) == b""
    server.process.wait(30)
    assert 1 < time.monotonic() - began < LATE


def test_workers_end_with_their_parent(server):
    children = workers(server)
    server.process.kill()
    psutil.wait_procs(children, timeout=LATE)
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in children)
