"""Requests that cannot be read: whatever stands in a header, a query, a path or a body, nobody gets a 500."""

import io
from datetime import timedelta
from itertools import cycle, islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.settings import settings as settings_of_site
from emails.links import sign, sign_voter
from web.app import create_app

pytestmark = pytest.mark.once

HEADERS = [
    "Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "Cookie", "Expect", "Forwarded",
    "Host", "If-Modified-Since", "If-None-Match", "If-Range", "Origin", "Range", "Referer", "Sec-Fetch-Site",
    "Transfer-Encoding", "User-Agent", "X-CSRFToken", "X-Forwarded-For", "X-Forwarded-Host", "X-Live", "X-Request-ID",
]  # fmt: skip
"""Those that the code reads, or that Flask and werkzeug below it read."""
ODD = [
    "", " ", "\t", ",", ";", ";;=", "=", '"', '"\\', "a/;q=x", "*/*;q=", "text/html;q=1e999", "text/html;q=nan", "q=-1",
    "text/html;level=1;q=0.5, */*;q=٣", "\xff", "\xed\xa0\x80", "\ud800", "\0", "\r\n", "%", "%zz", "%00", "%ff%fe",
    "http://[", "http://[::1", "//[", "http://a:b", "http://a:99999", "http://\u2100", "http://a\u2044b", "null", "[",
    "Thu, 99 Foo 99999 99:99:99", "Mon, 01 Jan 0000 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 +9999999999",
    "31 Dec 9999 23:59:59 -2359", "1 Jan 1 00:00:00 +2359", "-1", "+1", "1e3", "٣", "9" * 30, "9" * 5000, "0x10",
    "bytes=0-", "bytes=-", "bytes=5-2", "bytes=-99999999999999999999", "bytes=0-0,1-1", "bytes=a-b", 'W/"', 'W/"x', "*",
    '"x', "Basic", "Basic !", "Basic /w==", "Digest x=\"", "Bearer", "Bearer \xff", "gzip;q=x", "gzip;q=0, *;q=0",
    "multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary="\xff"',
    "multipart/form-data; boundary=" + "b" * 500, "application/x-www-form-urlencoded; charset=nothing",
    "application/x-www-form-urlencoded; charset=utf-16", "text/html; charset=\0", "application/json; charset=x",
    "text/", "a=b; voter=", "voter=\xff; voter=.", "voter=anonymous:x.\u20ac", "__Host-voter=;", "operator=x.y.z",
    "operator=.", "operator=\xff", "remember_token=x", "remember_token=1|x", 'voter="\\777"', 'voter="\\400\\',
    "127.0.0.1, \xff, [", "[::1", "fe80::1%\0", "::ffff:1", "x" * 9000, "Mozilla/5.0 \0\ud83d \x7f", "same-origin\xff",
    "chunked, chunked",
]  # fmt: skip
QUERIES = [
    "", "%", "%zz", "%00", "%ff", "=", "&&&", "&=&", "a" * 3000, "a=%ud800", "page=%D9%A3", "page=-1",
    "page=" + "9" * 6000, "v=%ff", "view=%00", "before=%00", "before=99999999999999999999", "after=x", "from=-1",
    "from=1e9", "state=%ff", "code=%00", "since=9999-99-99", "since=10000-01-01", "until=0001-01-01", "next=//[",
    "next=http://[", "tool=%00&choice=%ff", ";", "a[]=1&a[b]=2", "list&open=%ff", "email=%00", "%=%",
]  # fmt: skip
BODIES = [
    b"", b"%", b"%zz=%zz", b"%00=%00", b"\xff\xfe", b"choice=ship%ff", b"email=%00", b"email=%ff%fe", b"email=a@[",
    b"=", b"&" * 3000, b"a=1&" * 3000, b"--b\r\n\r\n",
    b"--b\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nx\r\n--b--\r\n",
    b"--b\r\nContent-Disposition: form-data; name=x; filename*=utf-8''%ff\r\n"
    b"Content-Type: text/plain; charset=nothing\r\n\r\nx\r\n--b--",
    b"--b\r\n\xff: \xff\r\n\r\nx\r\n--b--", b"{", b"x" * 70_000, b"email=" + b"a" * 60_000,
]  # fmt: skip
PATHS = [
    "/", "/archive", "/compare/quillmate-vs-inkwell", "/tools/quillmate", "/tools/quillmate/vote", "/subscribe",
    "/digests/2026-W47", "/outbox", "/outbox/x", "/healthz", "/readyz", "/metrics", "/static/verdicts.css", "/static/",
    "/operator", "/operator/login", "/operator/jobs", "/operator/audit", "/operator/people", "/nothing", "/confirm/x",
    "/unsubscribe/x", "/vote/x",
]  # fmt: skip
WITH_HEADERS = [
    ("POST", "/tools/quillmate/vote"), ("GET", "/compare/quillmate-vs-inkwell"), ("POST", "/subscribe"),
    ("GET", "/static/verdicts.css"), ("POST", "/operator/login"), ("GET", "/metrics"), ("GET", "/operator"),
]  # fmt: skip
"""Their number is prime to that of the odd values, so that each page gets each header."""
TYPES = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/json", None]


@pytest.fixture
def site(client, catalogue, active):
    """Everything that a stranger may send: `site(method, path, query, headers, body)` gives the status."""
    alice = active("alice@reader.example")
    app = create_app()
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def send(method: str, path: str, query: str = "", headers: dict[str, str] | None = None, body: bytes = b"") -> int:
        environ = {
            "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "localhost", "SERVER_PORT": "8000", "HTTP_HOST": "localhost",
            "SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_TYPE": TYPES[0], "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(), "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
        }  # fmt: skip
        for name, value in (headers or {}).items():
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        told: list[str] = []
        answer = app.wsgi_app(environ, lambda status, headers, *_: told.append(status))
        b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        return int(told[0][:3])

    keys = settings_of_site().keys
    send.letters = [f"/{purpose}/{sign(keys, purpose, alice)}" for purpose in ("confirm", "vote", "unsubscribe")]
    send.cookie = f"voter={sign_voter(keys, 'anonymous:alice')}"
    return send


def fine(status: int, path: str) -> bool:
    return status < 500 or (path in ("/readyz", "/metrics") and status == 503)


def test_a_referer_that_cannot_be_read_keeps_nobody_from_signing_up(site):
    for referer in ("http://[", "http://[::1", "//[", "http://a\u2044b", "\xff"):
        assert site("POST", "/subscribe", headers={"Referer": referer}, body=b"email=bob%40reader.example") == 200


def test_raw_bytes_in_a_query_are_as_good_as_encoded_ones(site):
    for query in ("\x80", "page=\xff", "\xc3\xa9=1", "page=1&\xff"):
        assert site("GET", "/archive", query) in (200, 404)


def test_no_odd_header_breaks_any_page(site):
    failed = []
    turns = cycle(WITH_HEADERS)
    for name in HEADERS:
        for value in ODD:
            for method, path in islice(turns, 1):
                body = b"email=bob%40reader.example&choice=ship" if method == "POST" else b""
                status = site(method, path, headers={name: value}, body=body)
                if not fine(status, path):
                    failed.append((name, value[:60], method, path, status))
    assert failed == []


def test_no_odd_path_query_or_body_breaks_any_page(site):
    failed, kinds = [], cycle(TYPES)
    for path in PATHS + site.letters:
        for query in QUERIES:
            if not fine(status := site("GET", path, query), path):
                failed.append(("GET", path, query[:60], status))
        for body, kind in zip(BODIES, kinds, strict=False):
            headers = {"Content-Type": kind} if kind else {}
            if not fine(status := site("POST", path, headers=headers, body=body), path):
                failed.append(("POST", path, body[:60], kind, status))
    for odd in ODD:
        for before in ("/", "/compare/", "/tools/", "/operator/", "/static/", "/outbox/", ""):
            path = (before + odd).encode("utf-8", "surrogatepass").decode("latin-1")
            if not fine(status := site("GET", path), path):
                failed.append(("GET", path[:60], status))
    assert failed == []


SCRAPS = [*ODD[:40], "voter", "bytes=", "a", "1", ";", ",", "q=", "="]
anything = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(max_codepoint=255), max_size=60),
    st.builds("".join, st.lists(st.sampled_from(SCRAPS), max_size=5)),
)


def test_no_mixture_of_them_does(site):
    @settings(
        max_examples=200, deadline=timedelta(seconds=20), suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(
        st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "\xff"]), st.sampled_from(PATHS + site.letters),
        st.one_of(st.sampled_from(QUERIES), st.text(st.characters(max_codepoint=255), max_size=40)),
        st.dictionaries(st.sampled_from(HEADERS), anything, max_size=4),
        st.one_of(st.sampled_from(BODIES), st.binary(max_size=60)),
    )  # fmt: skip
    def sent(method, path, query, headers, body):
        assert fine(site(method, path, query, headers, body), path)

    sent()
