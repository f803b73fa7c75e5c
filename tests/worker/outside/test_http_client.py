"""The HTTP client of the outside line: what a receiver does to it, and what an operator is told."""

import socket
import ssl
import threading
import time
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from db import moments
from tests.receivers import answering, hanging, hear, receiving, sending
from worker.outside import http_client
from worker.outside.errors import (
    BadUrl,
    BrokenAnswer,
    CertificateRefused,
    ForbiddenAddress,
    Redirected,
    TooSlow,
    Unreachable,
)
from worker.outside.http_client import post, request

JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def loopback(setting):
    setting(OUTSIDE_NETWORKS="127.0.0.1/32, ::1/128")


def quick(url: str, seconds: float = 0.4):
    return request("POST", url, JSON, b"{}", seconds)


def test_a_request_goes_out_whole_and_its_answer_comes_back():
    with receiving(answering("201 Created", "X-Word: yes\r\n", b"thanks")) as receiver:
        answer = post(receiver.url(path="/hook?key=1"), JSON, b'{"a": 1}')
    assert (answer.status, answer.body, answer.headers["x-word"], answer.whole) == (201, b"thanks", "yes", True)
    [heard] = receiver.heard
    head, _, body = heard.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert (lines[0], body) == ("POST /hook?key=1 HTTP/1.1", b'{"a": 1}')
    assert {f"Host: 127.0.0.1:{receiver.port}", "Accept-Encoding: identity", "Content-Length: 8"} <= set(lines)


def test_a_body_larger_than_a_socket_takes_at_once_is_sent():
    with receiving(answering()) as receiver:
        assert post(receiver.url(), JSON, b"x" * 5_000_000).status == 204
    assert receiver.heard[0].endswith(b"x" * 1000)


def test_without_the_setting_no_request_reaches_this_machine(setting):
    setting(OUTSIDE_NETWORKS="")
    with receiving(answering()) as receiver:
        for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f000001", "0"):
            with pytest.raises(ForbiddenAddress, match="OUTSIDE_NETWORKS"):
                post(receiver.url(host), JSON, b"")
    assert receiver.heard == []


def test_a_name_is_looked_up_once_and_the_connection_goes_where_that_said(monkeypatch):
    """A name server that answers with a public address first and then with another: DNS rebinding."""
    asked = []

    def rebinding(host, port, **_):
        asked.append(host)
        return [(socket.AF_INET, 0, 0, "", ("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with receiving(answering()) as receiver:
        assert post(receiver.url("hooks.example"), JSON, b"").status == 204
    assert asked == ["hooks.example"]
    assert f"Host: hooks.example:{receiver.port}".encode() in receiver.heard[0]


def test_an_address_that_takes_no_connection_is_followed_by_the_next(monkeypatch):
    with receiving(answering()) as receiver, socket.create_server(("127.0.0.1", 0)) as gone:
        closed = gone.getsockname()[1]
        gone.close()
        told = [(socket.AF_INET, 0, 0, "", ("127.0.0.1", port)) for port in (closed, receiver.port)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: told)
        assert post("http://hooks.example/", JSON, b"").status == 204


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"])
def test_no_proxy_is_used_whatever_the_environment_says(monkeypatch, proxy):
    with receiving(answering()) as trap, receiving(answering()) as receiver:
        monkeypatch.setenv(proxy, trap.url(path=""))
        post(receiver.url(), JSON, b"")
    assert (len(trap.heard), len(receiver.heard)) == (0, 1)


def test_a_redirect_is_not_followed_and_said():
    with receiving(answering()) as inner:
        script = answering("302 Found", f"Location: {inner.url(path='/secret?token=1')}\r\n")
        with receiving(script) as receiver, pytest.raises(Redirected, match="redirects elsewhere"):
            post(receiver.url(), JSON, b"")
    assert inner.heard == []
    script = answering("301 Moved", "Location: https://new.example/x?token=1\r\n")
    with receiving(script) as receiver, pytest.raises(Redirected) as told:
        post(receiver.url(), JSON, b"")
    assert str(told.value) == "127.0.0.1 redirects to new.example (301), which is not followed: enter the final URL."


@pytest.mark.parametrize("status", [200, 204, 400, 404, 410, 429, 500, 503])
def test_any_other_answer_is_the_caller_s_to_judge(status):
    with receiving(answering(f"{status} Word")) as receiver:
        answer = post(receiver.url(), JSON, b"")
    assert (answer.status, answer.is_success) == (status, status < 300)


# ---- slow, endless and broken receivers ------------------------------------------------------------------------


def lasts(url: str, error: type[Exception] | None = TooSlow, seconds: float = 0.4) -> float:
    began = time.monotonic()
    if error is None:
        quick(url, seconds)
    else:
        with pytest.raises(error):
            quick(url, seconds)
    return time.monotonic() - began


def test_a_receiver_that_hangs_costs_no_more_than_the_time():
    with receiving(hanging) as receiver:
        assert 0.3 < lasts(receiver.url()) < 5


def test_a_receiver_that_drips_its_headers_costs_no_more_than_the_time():
    """Each byte comes in time for a limit between two bytes: the limit is one of the whole."""
    drip = [bytes([each]) for each in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300]
    with receiving(sending(*drip, every=0.02)) as receiver:
        assert lasts(receiver.url()) < 5


def test_a_receiver_that_drips_its_body_has_answered_all_the_same():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    with receiving(sending(head, b"x", every=0.02, endless=True)) as receiver:
        began = time.monotonic()
        answer = quick(receiver.url())
    assert time.monotonic() - began < 5
    assert (answer.status, answer.whole) == (200, False)


def test_a_receiver_that_takes_no_bytes_costs_no_more_than_the_time():
    def deaf(connection, receiver):
        receiver.over.wait(30)

    with receiving(deaf) as receiver, pytest.raises(TooSlow):
        request("POST", receiver.url(), JSON, b"x" * 20_000_000, 0.4)


def test_a_receiver_that_never_shakes_hands_costs_no_more_than_the_time():
    with receiving(lambda connection, receiver: receiver.over.wait(30)) as receiver:
        assert lasts(receiver.url().replace("http:", "https:")) < 5


def test_ten_megabytes_are_not_read_and_the_status_counts():
    sent = []

    def much(connection, receiver):
        hear(connection, receiver)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        try:
            for _ in range(1000):
                sent.append(connection.send(b"x" * 10_000))
        except OSError:
            pass

    with receiving(much) as receiver:
        answer = post(receiver.url(), JSON, b"")
    assert (answer.status, answer.whole) == (200, False)
    assert len(answer.body) <= 64 * 1024


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\n" + b"X-Much: yes\r\n" * 10_000 + b"\r\n"],
        [b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000],
        [b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000],
        [b"220 mail.example ESMTP\r\n"],
        [b""],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"],
        [b"\x00\x01\x02\x03" * 100],
        [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"],
    ],
    ids=["headers", "one header", "early hints", "smtp", "nothing", "two lengths", "noise", "another protocol"],
)
def test_what_is_no_proper_answer_is_told(parts):
    with receiving(sending(*parts)) as receiver, pytest.raises(BrokenAnswer, match="no HTTP answer"):
        quick(receiver.url(), 5)


@pytest.mark.parametrize(
    "body",
    [
        b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\nx",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000,
        b"Transfer-Encoding: chunked\r\n\r\n5;" + b"y" * 100_000,
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
        b"Content-Length: 100\r\n\r\ntoo short",
        b"\r\nuntil the end",
    ],
    ids=["huge chunk", "many chunks", "long extension", "gzip", "broken off", "until the end"],
)
def test_whatever_follows_a_status_the_status_counts(body):
    with receiving(sending(b"HTTP/1.1 200 OK\r\n" + body)) as receiver:
        answer = quick(receiver.url(), 5)
    assert answer.status == 200
    assert len(answer.body) <= 64 * 1024


def test_an_answer_before_the_request_was_read_counts():
    def refusing(connection, receiver):
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        receiver.over.wait(1)

    with receiving(refusing) as receiver:
        assert request("POST", receiver.url(), JSON, b"x" * 3_000_000, 3).status == 413


def test_a_port_where_nobody_listens_is_told():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Unreachable, match=r"127.0.0.1 takes no connection \(Connection refused\)"):
        post(f"http://127.0.0.1:{port}/", JSON, b"")


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/", "file:///etc/passwd", "//127.0.0.1/", "http:///x", "http://user:word@127.0.0.1/", "http://[::1/",
     "http://127.0.0.1:0/", "http://127.0.0.1:99999/", "http://127.0.0.1/a b", "http://127.0.0.1/ü", "gopher://x/",
     "http://evil.example\\@127.0.0.1/", "http://[fe80::1%25lo]/"],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_told_without_quoting_it(url):
    with pytest.raises(BadUrl) as told:
        post(url, JSON, b"")
    assert "word@" not in str(told.value)
    assert url.partition("//")[2][:20] not in str(told.value)


def test_no_error_holds_a_path_a_query_or_a_login():
    with receiving(answering("302 Found", "Location: http://x.example/secret?secret#secret\r\n")) as receiver:
        for url in (
            receiver.url(path="/secret?secret=1"),
            "http://secret:secret@x.example/",
            "https://127.0.0.1:1/secret",
        ):
            with pytest.raises(Exception) as told:
                post(url, JSON, b"secret")
            assert "secret" not in str(told.value)


# ---- certificates ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """An authority's file, and a function that gives a server's TLS context for a name and a length of life."""
    folder = tmp_path_factory.mktemp("certificates")
    own, subject = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tests")]),
    )

    def certificate(name: x509.Name, key, days: int, alternative: str = ""):
        now = moments.now()
        made = (
            x509.CertificateBuilder().subject_name(name).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400)).not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=not alternative, path_length=None), critical=True)
        )  # fmt: skip
        if alternative:
            names = x509.SubjectAlternativeName([x509.DNSName(alternative)])
            made = made.add_extension(names, critical=False)
        return made.sign(own, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    (folder / "ca.pem").write_bytes(certificate(subject, own, 4000))

    def context(name: str, days: int = 4000) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        file = folder / f"{name}{days}.pem"
        whom = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        file.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form) + certificate(whom, key, days, name))
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(file)
        return made

    return folder / "ca.pem", context


@pytest.fixture
def trusted(monkeypatch, authority):
    """The server's contexts, with their authority trusted here and every name leading to this machine."""
    file, context = authority
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    http_client._certificates.cache_clear()
    here = lambda host, port, **_: [(socket.AF_INET, 0, 0, "", ("127.0.0.1", port))]  # noqa: E731
    monkeypatch.setattr(socket, "getaddrinfo", here)
    yield context
    http_client._certificates.cache_clear()


def test_the_certificate_is_checked_against_the_name_and_the_name_is_sent(trusted):
    with receiving(answering(), trusted("hooks.example")) as receiver:
        assert post(receiver.url("hooks.example"), JSON, b"").status == 204
        with pytest.raises(CertificateRefused, match=r"certificate of other\.example is refused"):
            post(receiver.url("other.example"), JSON, b"")
    assert receiver.names == ["hooks.example", "other.example"]


def test_letters_beyond_ascii_are_sent_in_punycode(trusted):
    with receiving(answering(), trusted("xn--bcher-kva.example")) as receiver:
        assert post(receiver.url("Bücher.example"), JSON, b"").status == 204
    assert receiver.names == ["xn--bcher-kva.example"]


def test_an_expired_certificate_is_refused(trusted):
    expired = trusted("hooks.example", -1)
    with receiving(answering(), expired) as receiver, pytest.raises(CertificateRefused, match="expired"):
        post(receiver.url("hooks.example"), JSON, b"")


def test_a_certificate_of_nobody_known_is_refused(authority, monkeypatch):
    _, context = authority
    http_client._certificates.cache_clear()
    unknown = context("hooks.example")
    with receiving(answering(), unknown) as receiver, pytest.raises(CertificateRefused, match="SSL_CERT_FILE"):
        post(receiver.url(), JSON, b"")


def test_a_server_without_tls_is_told():
    def plain(connection, _):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with receiving(plain) as receiver, pytest.raises(Unreachable, match="speaks no TLS"):
        post(receiver.url().replace("http:", "https:"), JSON, b"")


def test_a_hundred_requests_leave_no_thread_and_no_socket():
    with receiving(answering()) as receiver:
        before = threading.active_count()
        for _ in range(100):
            post(receiver.url(), JSON, b"")
        assert len(receiver.heard) == 100
    assert threading.active_count() <= before + 3
