"""How servers stand slow clients: 2,000 silent connections, 20 slow forms and 20 slow readers at once, then too much.

`python -m tests.bench.front` tries those servers of the table that are installed; names choose some of them.
"""

import os
import shlex
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.bench import load
from tests.bench.slow_clients import Crowd, ask

APP = "tests.web.front.applications:app"
SERVERS = {
    "front": "gunicorn --config python:web.front.config --workers 2 --threads 5 " + APP,
    "granian": "granian --interface wsgi --port {port} --workers 2 --blocking-threads 5 --backpressure 128 --no-ws "
    "--log-level warning " + APP,
    "gthread": "gunicorn -b 127.0.0.1:{port} -w 2 -k gthread --threads 5 --worker-connections 2000 " + APP,
    "gevent": "gunicorn -b 127.0.0.1:{port} -w 2 -k gevent --worker-connections 2000 " + APP,
    "waitress": "python -m tests.bench.front waitress-itself {port}",
    "uvicorn": "uvicorn --port {port} --workers 2 --interface wsgi --no-access-log " + APP,
    "hypercorn": "hypercorn -b 127.0.0.1:{port} -w 2 wsgi:" + APP,
    "cheroot": "cheroot " + APP + " --bind 127.0.0.1:{port} --threads 5",
    "uwsgi": "uwsgi --http 127.0.0.1:{port} --http-timeout 10 --http-headers-timeout 10 --http-keepalive --master "
    "--workers 2 --threads 5 --post-buffering 65536 --offload-threads 2 --enable-threads --disable-logging --module "
    + APP,
}
PAGE = b"GET /told HTTP/1.1\r\nHost: localhost\r\n\r\n"
FORM = b"POST /told HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nchoice=ship"
SLOW = b"GET /slow?seconds=0.25 HTTP/1.1\r\nHost: localhost\r\n\r\n"
SECONDS, PATIENCE, TOO_MANY = 25.0, 3.0, 150


def beside_the_crowd(port: int) -> str:
    """What one more client gets, and what becomes of the crowd."""
    crowd = Crowd(port, large=b"GET /wide HTTP/1.1\r\nHost: localhost\r\n\r\n")
    crowd.gather()
    watching = crowd.start()
    found = [
        ask(port, request, PATIENCE)
        for request, _ in zip(_endlessly(time.monotonic() + SECONDS), range(10_000), strict=False)
    ]
    crowd.over.set()
    watching.join()
    crowd.leave()
    good = [seconds for seconds, answer in found if answer.startswith(b"HTTP/1.1 200")]
    told = f"{len(good)} of {len(found)}"
    if good:
        told += f" | {statistics.median(good) * 1000:.0f} ms, {max(good) * 1000:.0f} ms"
    return " | ".join([told or "–", *(_ends(crowd, kind) for kind in ("silent", "half a form", "a byte a second"))])


def _endlessly(end: float):  # type: ignore[no-untyped-def]
    while time.monotonic() < end:
        yield from (PAGE, FORM)
        time.sleep(0.1)


def _ends(crowd: Crowd, kind: str) -> str:
    those = crowd.of(kind)
    ended = [client.closed for client in those if client.closed is not None]
    if len(ended) < len(those):
        return f"{len(ended)} of {len(those)}"
    statuses = {client.answer[9:12].decode() for client in those} - {""}
    return f"{max(ended):.0f} s {' '.join(statuses)}".strip()


def over_capacity(port: int) -> str:
    """The longest that somebody waits for a page, or for being refused, while too many ask for slow ones."""
    over = threading.Event()

    def hammer() -> None:
        while not over.is_set():
            ask(port, SLOW, 20)

    for _ in range(TOO_MANY):
        threading.Thread(target=hammer, daemon=True).start()
    time.sleep(1)
    found = [ask(port, PAGE, 10) for _ in range(30) if not time.sleep(0.1)]
    over.set()
    refused = sum(answer.startswith(b"HTTP/1.1 503") for _, answer in found)
    return f"{max(seconds for seconds, _ in found):.1f} s" + (f", {refused} of 30 refused" if refused else "")


def tried(name: str) -> str:
    port = load.free_port()
    words = shlex.split(SERVERS[name].format(port=port))
    words[0] = str(Path(sys.executable).with_name(words[0]))
    if not Path(words[0]).exists():
        return "not installed"
    environment = os.environ | {"PORT": str(port)}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(words, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        load.wait_until_open(port)
        ask(port, PAGE, 30)
        return f"{beside_the_crowd(port)} | {over_capacity(port)}"
    except SystemExit as error:
        return str(error)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def waitress_itself(port: int) -> None:
    """Two processes of waitress on one socket, tuned for slow clients; it has no command for that."""
    import socket

    import waitress  # type: ignore[import-not-found]

    from tests.web.front.applications import app

    one = socket.create_server(("127.0.0.1", port), backlog=1024)
    one.setblocking(False)
    os.fork()
    waitress.create_server(
        app, sockets=[one], threads=5, connection_limit=2000, channel_timeout=10, cleanup_interval=3,
        asyncore_use_poll=True,
    ).run()  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["waitress-itself"]:
        waitress_itself(int(sys.argv[2]))
    print(
        "server | answered | median, worst | silent | half-sent | a byte a second | over capacity, a page's worst wait"
    )
    for name in sys.argv[1:] or SERVERS:
        print(f"{name} | {tried(name)}", flush=True)
