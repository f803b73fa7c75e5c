"""`verdicts up`: the whole newsletter on one machine, started and ended together."""

import errno
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn

import click
import redis
from honcho.environ import parse_procfile

from db import migrations, moments, private_files, schema, signing_keys
from db.digests import catalog
from db.engine import close_idle
from db.monitoring import runs_with
from db.session import writing
from db.setting_errors import BadSettings
from db.settings import VAR, Settings, settings
from emails.messages import dkim
from emails.messages.dkim_keys import BadKey
from emails.transports import BadMailUrl, open_transport
from web.actions.content import content_files, content_import
from web.processes import code_on_disk
from web.processes.redis_process import Redis
from web.processes.supervise import Plan, become
from worker import redis_client
from worker.redis import EmbeddedRedis, shut_down_left_over

HERE = Path(__file__).parent
_REDIS_ADDRESS = VAR / "redis.url"


@click.command()
@click.option("--demo", is_flag=True, help="Load the demo catalogue if there is no tool yet.")
def up(demo: bool) -> None:
    """Start web, workers, clock and an embedded Redis, and keep them running until Ctrl-C.

    Migrates the database first. With REDIS_URL set, that Redis is used and none is started.
    """
    config = settings()
    with _alone(config) as lock:
        _port_is_free(config.web_host, config.port)
        if schema.standing().may_run:
            signing_keys.check()  # before a key is made: none takes the place of one that is lost
        config.keys  # noqa: B018  makes the key or raises BadSettings, before a process needs it
        _can_send(config)
        migrations.upgrade(click.echo if schema.standing().revision else str)
        signing_keys.record()
        if demo:
            _load_demo()
        with _redis(config) as server:
            runs_with.leave(config)
            close_idle(0)
            _run(config, server, lock)


def _can_send(config: Settings) -> None:
    """Refuse a key or a mail server's address that no sender could use, before anything is started."""
    try:
        dkim.signer_of(config)
        open_transport(config.mail_url)
    except (BadKey, BadMailUrl) as error:
        raise click.ClickException(str(error)) from None


def _load_demo() -> None:
    """Fill an empty catalogue, so that a newcomer has something to vote on."""
    demo = content_files.read_files([HERE / "demo.yaml"])
    with writing() as session:
        if catalog.is_empty(session):
            content_import.load(session, demo, moments.now())
            click.echo("Loaded the demo catalogue.")


def _run(config: Settings, server: EmbeddedRedis | None, lock: IO[str]) -> NoReturn:
    programs = Path(sys.executable).parent
    environment = {
        **os.environ,
        "WEB_HOST": config.web_host,
        "PORT": str(config.port),
        "REDIS_URL": config.redis_url,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",  # this folder may be another checkout, whose code is not this release's
        code_on_disk.STARTED_AS: code_on_disk.fingerprint(),
    }
    commands = dict(parse_procfile((HERE / "Procfile").read_text()).processes)
    redis = Redis(server.pid, server.command, str(_REDIS_ADDRESS)) if server and server.pid else None
    become(Plan(commands, config.web_host, config.port, _welcome(config), redis, lock.fileno()), environment)


def _welcome(config: Settings) -> list[str]:
    """What to say once the site answers."""
    command = os.path.relpath(Path(sys.executable).with_name("verdicts"))
    if config.port != Settings.model_fields["port"].default:
        command = f"PORT={config.port} {command}"  # the command that freezes a digest also makes its links
    lines = [f"Verdicts is running. Open {config.base_url}"]
    if config.outbox and config.is_local:
        lines.append(f"Letters stay on this machine. Read them at {config.base_url}/outbox")
    return [*lines, f"Send this week's digest with: {command} digest send    Stop with: Ctrl-C"]


@contextmanager
def _alone(config: Settings) -> Iterator[IO[str]]:
    """Hold this folder's lock; the kernel releases it however this process ends."""
    private_files.make_folder(VAR)
    private_files.mend_folder(VAR)
    with open(VAR / "up.lock", "a+", opener=private_files.opener) as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock, not shared with children
        except OSError:
            raise click.ClickException(f"Verdicts already runs in this folder{_holder(lock)}.") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()} {config.base_url}\n")
        lock.flush()
        yield lock


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    pid, _, url = lock.read().strip().partition(" ")
    return f" (process {pid}): open {url}, or stop it with Ctrl-C where it was started" if url else ""


def _port_is_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise click.ClickException(
                    f"Another program listens on port {port}. Stop it, or choose another port: PORT={port + 1} make up"
                ) from None
            if error.errno == errno.EADDRNOTAVAIL:
                raise click.ClickException(
                    f"WEB_HOST is {host}, which is no address of this machine. `ip address` lists them."
                ) from None
            raise click.ClickException(
                f"Port {port} cannot be listened on ({error.strerror}). Choose one above 1023 with PORT=…"
            ) from None


@contextmanager
def _redis(config: Settings) -> Iterator[EmbeddedRedis | None]:
    """The Redis that REDIS_URL names, or one of our own, with its address in var/redis.url while it runs."""
    if config.redis_given:
        _ping(config)
        yield None
        return
    if _REDIS_ADDRESS.exists():
        shut_down_left_over(_REDIS_ADDRESS.read_text().strip())
    server = EmbeddedRedis(VAR / "redis")
    server.start()
    try:
        with open(_REDIS_ADDRESS, "w", opener=private_files.opener) as file:
            file.write(server.url + "\n")
        yield server
    finally:
        server.stop()
        _REDIS_ADDRESS.unlink(missing_ok=True)


def _ping(config: Settings) -> None:
    with redis_client.connect(config, 3) as client:
        try:
            client.ping()
        except redis.RedisError as error:
            raise BadSettings(
                f"The Redis that REDIS_URL names does not answer ({error}). Start it, or unset REDIS_URL."
            ) from None
