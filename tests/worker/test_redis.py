"""The embedded Redis: private, lasting, and gone when its owner is."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time

import psutil
import pytest
import redis

from db.settings import BadSettings
from worker.redis import EmbeddedRedis, server_program, shut_down_left_over


@pytest.fixture
def server(house):
    made = EmbeddedRedis(house / "with a space" / "redis")
    made.start()
    yield made
    made.stop()


def connect(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2, decode_responses=True)


def test_it_answers_to_its_password_alone(server):
    assert connect(server.url).ping()
    with pytest.raises(redis.AuthenticationError):
        connect(f"redis://127.0.0.1:{server.port}/0").ping()


def test_it_listens_on_loopback_alone_and_hides_its_password(server):
    told = connect(server.url).config_get("*")
    wanted = {"bind": "127.0.0.1", "appendonly": "yes", "maxmemory-policy": "noeviction"}
    assert {name: told[name] for name in wanted} == wanted
    assert stat.S_IMODE(os.stat(server.folder / "redis.conf").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(server.folder).st_mode) == 0o700


def test_it_keeps_its_address_and_what_it_holds_when_it_is_killed_and_started_again(server):
    url = server.url
    connect(url).set("kept", "yes")
    time.sleep(1.1)  # appendfsync everysec
    server._process.kill()
    while server.alive():
        time.sleep(0.01)
    server.start()
    assert server.url == url
    assert connect(url).get("kept") == "yes"


def test_one_that_was_left_over_is_shut_down(server):
    shut_down_left_over(server.url)
    for _ in range(100):
        if not server.alive():
            break
        time.sleep(0.05)
    assert not server.alive()
    shut_down_left_over(server.url)  # nobody there: nothing to do


def test_a_server_that_cannot_start_says_why(house):
    folder = house / "redis"
    folder.mkdir()
    (folder / "appendonly.aof").write_text("this is no append-only file\n" * 3)
    with pytest.raises(BadSettings, match="Bad file format"):
        EmbeddedRedis(folder).start()


def test_without_any_server_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr("worker.redis.importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BadSettings, match=r"Install one \(6\.2 or newer\), or set REDIS_URL"):
        server_program()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_it_does_not_outlive_an_owner_that_is_killed(house):
    script = """
        import pathlib, time
        from worker.redis import EmbeddedRedis
        server = EmbeddedRedis(pathlib.Path("redis"))
        server.start()
        print(server._process.pid, flush=True)
        time.sleep(60)
    """
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    pid = int(owner.stdout.readline())
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    raise AssertionError("redis-server is an orphan")
