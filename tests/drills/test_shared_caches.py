"""Behind Debian's Varnish and nginx as shared caches, also careless ones, nobody sees another reader's vote."""

import gzip
import http.client
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import _close_engines, load_catalogue
from tests.crash.deployment import Deployment, answers, free_port
from tests.crash.processes import until
from worker.redis import end_with_parent

VARNISH, NGINX = (shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin") for name in ("varnishd", "nginx"))
PATHS = ("/compare/quillmate-vs-inkwell", "/tools/inkwell", "/", "/archive")

pytestmark = [
    pytest.mark.outside,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        not (VARNISH and NGINX),
        reason="Varnish or nginx is not installed (on Debian: apt-get install varnish nginx-light)",
    ),
]

HASH_ALL = 'sub vcl_recv { if (req.method == "GET" || req.method == "HEAD") { return (hash); } }\n'
"""Looks copies up for readers with cookies too, which Varnish by itself never does."""
BY_PATH = "sub vcl_backend_response { unset beresp.http.Vary; }\n"
"""One copy of each page for everybody, as a CDN keeps it that heeds no Vary. Compression is then the cache's own."""


def varnish(more: str) -> Callable[[Path, int, int], list[str]]:
    def command(folder: Path, port: int, site: int) -> list[str]:
        backend = f'vcl 4.1;\nbackend default {{ .host = "127.0.0.1"; .port = "{site}"; }}\n'
        (folder / "site.vcl").write_text(backend + more)
        listening = ["-a", f"127.0.0.1:{port}", "-T", "none", "-f", str(folder / "site.vcl")]
        return [VARNISH or "", "-F", "-j", "none", "-n", str(folder), "-s", "malloc,32m", *listening]

    return command


def nginx(more: str) -> Callable[[Path, int, int], list[str]]:
    def command(folder: Path, port: int, site: int) -> list[str]:
        user = "user root;" if os.geteuid() == 0 else ""  # who may read the folders of tests
        (folder / "nginx.conf").write_text(
            f"""
            {user} daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
            events {{ worker_connections 128; }}
            http {{
                access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
                fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
                proxy_cache_path {folder}/cache keys_zone=pages:1m;
                server {{
                    listen 127.0.0.1:{port};
                    location / {{
                        proxy_pass http://127.0.0.1:{site}; proxy_http_version 1.1; proxy_set_header Host $host:{port};
                        proxy_cache pages; proxy_cache_key $request_uri; add_header X-Cache $upstream_cache_status;
                        {more}
                    }}
                }}
            }}
            """
        )
        return [NGINX or "", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]

    return command


CACHES = {
    "Varnish": (varnish(""), True),
    "Varnish that looks up copies for all": (varnish(HASH_ALL), True),
    "Varnish with one copy for all": (varnish(HASH_ALL + BY_PATH), False),
    "nginx": (nginx(""), True),
    "nginx that compresses": (nginx("gzip on; gzip_proxied any;"), True),
    "nginx with one copy for all": (nginx("proxy_ignore_headers Vary; proxy_set_header Accept-Encoding '';"), False),
}


@pytest.fixture(params=CACHES)
def cache(request: pytest.FixtureRequest, sqlite: str, house: Path) -> Iterator[tuple[int, bool]]:
    """The site with such a cache before it; the cache's port, and whether it heeds Vary."""
    command, heeds = CACHES[request.param]
    load_catalogue()
    _close_engines()
    port, folder = free_port(), house / "cache"
    folder.mkdir()
    made = Deployment(house / "site", {"DATABASE_URL": sqlite, "BASE_URL": f"http://localhost:{port}"})
    process = None
    try:
        made.start_web()
        process = subprocess.Popen(command(folder, port, made.port), preexec_fn=end_with_parent)
        until(lambda: answers(port), "the cache's start")
        yield port, heeds
    finally:
        if process is not None:
            process.terminate()
            process.wait(20)
        made.close()


class Browser:
    """A reader with a cookie of their own, over one kept connection."""

    def __init__(self, port: int) -> None:
        self._line = http.client.HTTPConnection("localhost", port, timeout=30)
        self.cookie, self.hits = "", 0

    def get(self, path: str, coding: str) -> bytes:
        told = {"Accept-Encoding": coding} | ({"Cookie": self.cookie} if self.cookie else {})
        self._line.request("GET", path, headers=told)
        answer = self._line.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body[:200])
        self.hits += answer.getheader("X-Cache") == "HIT" or len((answer.getheader("X-Varnish") or "").split()) == 2
        return gzip.decompress(body) if answer.getheader("Content-Encoding") == "gzip" else body

    def vote(self, choice: str) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self._line.request("POST", "/tools/inkwell/vote", f"choice={choice}", form)
        answer = self._line.getresponse()
        answer.read()
        assert answer.status == 303
        self.cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        assert self.cookie


def test_nobody_sees_another_readers_vote(cache):
    """Two voters and a stranger, interleaved, a thousand times, compressed and not."""
    port, heeds = cache
    alice, bob, stranger = (Browser(port) for _ in range(3))
    alice.vote("ship")
    bob.vote("skip")
    order, seen = (stranger, alice, stranger, bob, alice, bob), Counter[str]()
    own = {alice: b"you said ship", bob: b"you said skip"}
    for turn in range(1000):
        # A new address every eleven turns, so that each of them is now and then the first one to ask for a page.
        reader, part = order[turn % 6], turn // 11
        path = PATHS[part % 4]
        page = reader.get(f"{path}?part={part}", ("gzip", "identity")[turn // 3 % 2])
        assert b"</html>" in page
        said = set(re.findall(rb"you said \w+", page))
        assert said <= ({own[reader]} if reader in own else set()), f"turn {turn} on {path}"
        if heeds and reader in own and path in PATHS[:2]:
            assert said, f"turn {turn}: their own vote is missing on {path}"
        seen[path] += 1
    assert len(seen) == 4
    assert stranger.hits > 100, "the cache kept what is the same for everybody"
