"""Requests that nobody's browser sends: each gets the right status, and the connection is left in the right state."""

import json
import shutil
import socket
import time
from pathlib import Path

import pytest

from tests import templates
from tests.crash.processes import until
from tests.web.front.serving import Server, say, served

pytestmark = pytest.mark.waits

HOST = b"Host: localhost\r\n"
POST = b"POST /subscribe HTTP/1.1\r\n"
FORM = HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = FORM + b"Transfer-Encoding: chunked\r\n"

OPEN, CLOSED = False, True
TABLE: dict[str, tuple[bytes, list[int], bool]] = {
    "a page": (b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", [200], OPEN),
    "HEAD": (b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n", [200], OPEN),
    "HEAD of what is not there": (b"HEAD /nowhere HTTP/1.1\r\n" + HOST + b"\r\n", [404], OPEN),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", [200], CLOSED),
    "HTTP/1.0 kept": (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", [200], OPEN),
    "Connection: close": (b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", [200], CLOSED),
    "HTTP/0.9": (b"GET /\r\n\r\n", [505], CLOSED),
    "HTTP/3.0": (b"GET / HTTP/3.0\r\n" + HOST + b"\r\n", [400], CLOSED),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", [505], CLOSED),
    "HTTP/2 outright": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400], CLOSED),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60), [400], CLOSED),
    "noise": (b"\xff\xfe\xfd" * 20, [400], CLOSED),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", [400], CLOSED),
    "two Hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", [400], CLOSED),
    "a Host with a space": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", [400], CLOSED),
    "a Host with a path": (b"GET / HTTP/1.1\r\nHost: localhost/x\r\n\r\n", [400], CLOSED),
    "a folded header": (b"GET / HTTP/1.1\r\n" + HOST + b"X-Long: one\r\n two\r\n\r\n", [400], CLOSED),
    "a space before the colon": (b"GET / HTTP/1.1\r\n" + HOST + b"X-Odd : one\r\n\r\n", [400], CLOSED),
    "a header without a name": (b"GET / HTTP/1.1\r\n" + HOST + b": one\r\n\r\n", [400], CLOSED),
    "bare line feeds": (b"GET / HTTP/1.1\nHost: localhost\n\n", [400], CLOSED),
    "one bare line feed": (b"GET / HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n", [400], CLOSED),
    "a bare carriage return": (b"GET / HTTP/1.1\r\nHost: localhost\rX-A: b\r\n\r\n", [400], CLOSED),
    "a NUL in a header": (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: a\0b\r\n\r\n", [400], CLOSED),
    "letters beyond ASCII in a header": (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: \xe9\xff\r\n\r\n", [200], OPEN),
    "letters beyond ASCII in a cookie": (b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: voter=\xe9\xff\r\n\r\n", [200], OPEN),
    "letters beyond ASCII in the path": (b"GET /\xe9 HTTP/1.1\r\n" + HOST + b"\r\n", [400], CLOSED),
    "empty lines first": (b"\r\n\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n", [200], OPEN),
    "an escaped slash": (b"GET /tools%2Fquillmate HTTP/1.1\r\n" + HOST + b"\r\n", [404], OPEN),
    "an escaped NUL": (b"GET /tools/%00 HTTP/1.1\r\n" + HOST + b"\r\n", [400], CLOSED),
    "an escaped NUL in a file's name": (b"GET /static/%00.css HTTP/1.1\r\n" + HOST + b"\r\n", [400], CLOSED),
    "an escape that is none": (b"GET /%zz HTTP/1.1\r\n" + HOST + b"\r\n", [404], OPEN),
    "bytes that are no UTF-8": (b"GET /%ff%fe HTTP/1.1\r\n" + HOST + b"\r\n", [404], OPEN),
    "out of the static folder": (b"GET /static/../app.py HTTP/1.1\r\n" + HOST + b"\r\n", [404], OPEN),
    "out of it, escaped": (b"GET /static/%2e%2e%2fapp.py HTTP/1.1\r\n" + HOST + b"\r\n", [404], OPEN),
    "two slashes": (b"GET //evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n", [404], OPEN),
    "a path without a slash": (b"GET index.html HTTP/1.1\r\n" + HOST + b"\r\n", [400], CLOSED),
    "a fragment": (b"GET /#top HTTP/1.1\r\n" + HOST + b"\r\n", [400], CLOSED),
    "the whole address": (b"GET http://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n", [200], OPEN),
    "another's whole address": (b"GET ftp://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n", [400], CLOSED),
    "an address with a name in it": (b"GET http://a@localhost/ HTTP/1.1\r\n" + HOST + b"\r\n", [400], CLOSED),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", [204], OPEN),
    "GET *": (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", [400], CLOSED),
    "OPTIONS of a page": (b"OPTIONS / HTTP/1.1\r\n" + HOST + b"\r\n", [200], OPEN),
    "a method of WebDAV": (b"PROPFIND / HTTP/1.1\r\n" + HOST + b"\r\n", [405], OPEN),
    "TRACE": (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", [405], OPEN),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", [501], CLOSED),
    "a method that nobody knows": (b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", [501], CLOSED),
    "a method in small letters": (b"get / HTTP/1.1\r\n" + HOST + b"\r\n", [501], CLOSED),
    "an upgrade": (b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", [200], CLOSED),
    "an upgrade with a form": (
        POST + FORM + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 7\r\n\r\nemail=x", [422], CLOSED,
    ),
    "an endless address": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", [414], CLOSED),
    "an endless line": (b"GET /" + b"a" * 70000, [414], CLOSED),
    "a giant header": (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 40000 + b"\r\n\r\n", [431], CLOSED),
    "a header without an end": (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 70000, [431], CLOSED),
    "many headers": (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: a\r\n" * 200 + b"\r\n", [431], CLOSED),
    "a form": (POST + FORM + b"Content-Length: 7\r\n\r\nemail=x", [422], OPEN),
    "a form in chunks": (
        POST + CHUNKED + b"\r\n4\r\nemai\r\n3\r\nl=x\r\n0\r\n\r\n", [422], CLOSED,
    ),
    "chunks with a trailer": (
        POST + CHUNKED + b"\r\n7\r\nemail=x\r\n0\r\nHost: evil\r\n\r\n", [422], CLOSED,
    ),
    "chunks that are none": (POST + CHUNKED + b"\r\nzz\r\nemail=x\r\n", [400], CLOSED),
    "a chunk of a negative size": (POST + CHUNKED + b"\r\n-7\r\nemail=x\r\n", [400], CLOSED),
    "a chunk larger than a number": (
        POST + CHUNKED + b"\r\n" + b"f" * 17 + b"\r\nemail=x\r\n", [400], CLOSED,
    ),
    "chunks beyond the limit": (
        POST + CHUNKED + b"\r\n" + (b"4000\r\n" + b"a" * 0x4000 + b"\r\n") * 5, [413], CLOSED,
    ),
    "both lengths": (
        POST + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        [400], CLOSED,
    ),
    "both lengths, turned round": (
        POST + FORM + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        [400], CLOSED,
    ),
    "chunks in HTTP/1.0": (b"POST /subscribe HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n", [400], CLOSED),
    "a coding over chunks": (
        POST + FORM + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", [501], CLOSED,
    ),
    "chunked twice": (
        POST + CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400], CLOSED,
    ),
    "another coding": (
        POST + FORM + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", [400], CLOSED,
    ),
    "two lengths": (
        POST + FORM + b"Content-Length: 7\r\nContent-Length: 8\r\n\r\nemail=xy", [400], CLOSED,
    ),
    "the same length twice": (
        POST + FORM + b"Content-Length: 7\r\nContent-Length: 7\r\n\r\nemail=x", [400], CLOSED,
    ),
    "two lengths in one": (POST + FORM + b"Content-Length: 7, 7\r\n\r\nemail=x", [400], CLOSED),
    "a length with five thousand zeros": (
        POST + FORM + b"Content-Length: " + b"0" * 5000 + b"7\r\n\r\nemail=x", [422], OPEN,
    ),
    "a negative length": (POST + FORM + b"Content-Length: -7\r\n\r\nemail=x", [400], CLOSED),
    "a length with a sign": (POST + FORM + b"Content-Length: +7\r\n\r\nemail=x", [400], CLOSED),
    "no length": (POST + FORM + b"\r\n", [422], OPEN),
    "too long a body": (POST + FORM + b"Content-Length: 70000\r\n\r\n" + b"a" * 70000, [413], CLOSED),
    "a length beyond all bounds": (
        POST + FORM + b"Content-Length: 99999999999999999999999\r\n\r\n", [400], CLOSED,
    ),
    "a body with a GET": (b"GET / HTTP/1.1\r\n" + FORM + b"Content-Length: 4\r\n\r\nabcd", [200], OPEN),
    "Expect": (
        POST + FORM + b"Expect: 100-continue\r\nContent-Length: 7\r\n\r\nemail=x",
        [422], OPEN,
    ),
    "Expect, and too much": (
        POST + FORM + b"Expect: 100-continue\r\nContent-Length: 70000\r\n\r\n", [413], CLOSED,
    ),
    "Expect of something else": (
        POST + FORM + b"Expect: a miracle\r\nContent-Length: 7\r\n\r\nemail=x", [417], CLOSED,
    ),
    "three at once": (
        (b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n") * 2 + b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
        [404, 404, 200], OPEN,
    ),
    "a second one that is broken": (
        b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\nGET / HTTP/1.1\r\n\r\n", [404, 400], CLOSED,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> object:
    """The site itself, as the Procfile starts it, without a comparison."""
    folder: Path = tmp_path_factory.mktemp("site")
    variables = {"DATABASE_URL": f"sqlite:///{folder}/site.sqlite3", "REDIS_URL": "redis://127.0.0.1:1/0"}
    shutil.copy(templates.sqlite(), folder / "site.sqlite3")
    with served("web.app:app", folder, **variables) as server:
        yield server
        assert "Traceback" not in server.said()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> object:
    """An application that tells what it got."""
    with served("tests.web.front.applications:app", tmp_path_factory.mktemp("mirror")) as server:
        yield server


@pytest.mark.once
@pytest.mark.parametrize("name", TABLE)
def test_it_is_answered_rightly(site: Server, name: str) -> None:
    request, statuses, closed = TABLE[name]
    heard = say(site.port, request)
    assert heard.statuses == statuses
    assert heard.closed is closed


@pytest.mark.once
def test_head_tells_the_length_of_what_it_does_not_send(site: Server) -> None:
    page = say(site.port, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    heard = say(site.port, b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert heard.body == b""
    assert heard.header("content-length") == page.header("content-length") == str(len(page.body))


@pytest.mark.once
def test_who_waits_for_100_continue_gets_it_before_the_body(site: Server) -> None:
    with socket.create_connection(("127.0.0.1", site.port), 5) as client:
        client.sendall(POST + FORM + b"Expect: 100-continue\r\nContent-Length: 7\r\n\r\n")
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"email=x")
        assert client.recv(1000).startswith(b"HTTP/1.1 422 ")


@pytest.mark.once
def test_a_kept_page_links_to_the_outbox_for_a_browser_on_this_machine_alone(site: Server) -> None:
    page = b"GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n"
    for _ in range(6):  # by then both processes keep it
        assert b'href="/outbox"' in say(site.port, page % (b"localhost", b"")).body
        assert b'href="/outbox"' not in say(site.port, page % (b"localhost", b"X-Forwarded-For: 9.9.9.9\r\n")).body
        assert b'href="/outbox"' not in say(site.port, b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").body


# ---- what the application gets -------------------------------------------------------------------------------------


def told(server: Server, request: bytes) -> dict[str, str]:
    heard = say(server.port, request)
    assert heard.statuses == [200]
    found: dict[str, str] = json.loads(heard.body)
    return found


@pytest.mark.once
def test_a_chunked_body_comes_whole_and_with_its_length(mirror: Server) -> None:
    got = told(mirror, b"POST /told HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                       b"4;name=value\r\nabcd\r\n2\r\nef\r\n0\r\nX-Trailer: no\r\n\r\n")  # fmt: skip
    assert (got["body"], got["CONTENT_LENGTH"]) == ("abcdef", "6")
    assert not {"HTTP_X_TRAILER", "HTTP_TRANSFER_ENCODING"} & set(got)


@pytest.mark.once
@pytest.mark.parametrize("framed", [b"Content-Length: 6\r\n\r\nabcdef",
                                    b"Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n"])  # fmt: skip
def test_a_body_comes_whole_from_a_client_that_would_rather_speak_http_2(mirror: Server, framed: bytes) -> None:
    """So send `curl --http2` and Java's client each request."""
    got = told(mirror, b"POST /told HTTP/1.1\r\n" + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                       b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n" + framed)  # fmt: skip
    assert got["body"] == "abcdef"


@pytest.mark.once
def test_headers_that_come_twice_are_joined_and_none_is_taken_for_another(mirror: Server) -> None:
    got = told(mirror, b"GET /told?a=%2F&b HTTP/1.1\r\n" + HOST + b"X-Forwarded-For: 1.1.1.1\r\n"
                       b"x-forwarded-for: 2.2.2.2\r\nX_Forwarded_For: 3.3.3.3\r\nCookie: a=1\r\n"
                       b"Cookie: b=2\r\n\r\n")  # fmt: skip
    assert got["HTTP_X_FORWARDED_FOR"] == "1.1.1.1, 2.2.2.2"
    assert got["HTTP_COOKIE"] == "a=1; b=2"
    assert (got["QUERY_STRING"], got["REMOTE_ADDR"], got["scheme"]) == ("a=%2F&b", "127.0.0.1", "http")


@pytest.mark.once
def test_no_header_changes_address_or_scheme(mirror: Server) -> None:
    """Only the site's own setting TRUSTED_PROXIES does."""
    got = told(mirror, b"GET /told HTTP/1.1\r\n" + HOST + b"X-Forwarded-Proto: https\r\n"
                       b"X-Forwarded-For: 9.9.9.9\r\nForwarded: for=9.9.9.9;proto=https\r\n"
                       b"X-Forwarded-Ssl: on\r\nX-Scheme: https\r\n\r\n")  # fmt: skip
    assert (got["REMOTE_ADDR"], got["scheme"]) == ("127.0.0.1", "http")


@pytest.mark.once
def test_the_address_in_the_request_line_counts_before_host(mirror: Server) -> None:
    got = told(mirror, b"GET http://one.example:81/told HTTP/1.1\r\nHost: two.example\r\n\r\n")
    assert got["HTTP_HOST"] == "one.example:81"


@pytest.mark.once
def test_a_request_that_comes_a_byte_at_a_time_is_one_request(mirror: Server) -> None:
    request = b"POST /told HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
    with socket.create_connection(("127.0.0.1", mirror.port), 5) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(request)):
            client.sendall(request[at : at + 1])
        answer = b""
        while b"}" not in answer:
            answer += client.recv(65536)
    assert b'"body":"abc"' in answer


# ---- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_an_answer_that_breaks_off_is_not_taken_for_whole(mirror: Server) -> None:
    heard = say(mirror.port, b"GET /broken HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert heard.closed
    assert not heard.raw.endswith(b"0\r\n\r\n")


@pytest.mark.once
def test_who_leaves_amid_an_answer_stops_it(mirror: Server) -> None:
    dripped = mirror.log.parent / "dripped"
    with socket.create_connection(("127.0.0.1", mirror.port), 5) as client:
        client.sendall(b"GET /drip HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(1000)
    until(lambda: dripped.exists() and mirror_is_idle(mirror), "the end of the answer")
    assert int(dripped.read_text()) < 90


def mirror_is_idle(mirror: Server) -> bool:
    before = (mirror.log.parent / "dripped").read_text()
    time.sleep(0.3)
    return (mirror.log.parent / "dripped").read_text() == before


@pytest.mark.once
def test_python_s_own_validator_finds_no_fault_with_what_the_application_is_given(tmp_path: Path) -> None:
    """wsgiref.validate raises an error for whatever is not as PEP 3333 says, and that would be a 500."""
    with served("tests.web.front.applications:valid", tmp_path) as server:
        for request in (
            b"GET /told HTTP/1.1\r\nHost: localhost\r\nX-A: \xe9\r\n\r\n",
            b"GET /told HTTP/1.0\r\n\r\n",
            b"HEAD /told HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"POST /told HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
            b"POST /told HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            b"OPTIONS /told HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ):
            assert say(server.port, request).statuses == [200], server.said()
        said = server.said()
    assert "Error" not in said
