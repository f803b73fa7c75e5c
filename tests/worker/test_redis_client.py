"""A Redis over TLS or a socket: doctor and Celery reach the same one, and both check its certificate."""

import datetime
import ipaddress
import shutil
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time
import types
from pathlib import Path

import pytest
import redis
from celery import Celery
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kombu.exceptions import OperationalError

from db.setting_errors import BadSettings
from tests.pumping import pump
from web.cli import main
from worker import redis_client
from worker.redis import server_program


def issue(folder: Path, name: str, host: str = "127.0.0.1") -> types.SimpleNamespace:
    """A certificate authority made for this test, and a server's certificate and key that it signed."""
    now = datetime.datetime.now(datetime.UTC)

    def certificate(subject, key, issuer, signer, **extension):
        built = x509.CertificateBuilder(
            issuer, subject, key.public_key(), x509.random_serial_number(),
            now - datetime.timedelta(days=1), now + datetime.timedelta(days=1),
        )  # fmt: skip
        for each in extension.values():
            built = built.add_extension(each, critical=True)
        return built.sign(signer, hashes.SHA256())

    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    of_ca = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    of_server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    ca = certificate(of_ca, authority, of_ca, authority, constraints=x509.BasicConstraints(ca=True, path_length=0))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    leaf = certificate(of_server, server, of_ca, authority, names=names)
    pem = serialization.Encoding.PEM
    files = types.SimpleNamespace(**{part: folder / f"{name}-{part}.pem" for part in ("ca", "certificate", "key")})
    files.ca.write_bytes(ca.public_bytes(pem))
    files.certificate.write_bytes(leaf.public_bytes(pem))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files.key.write_bytes(server.private_bytes(pem, *plain))
    return files


def serve(folder: Path, *options: object) -> subprocess.Popen:
    return subprocess.Popen(
        [server_program(), "--requirepass", "open sesame", "--save", "", "--dir", str(folder), *map(str, options)],
        stdout=subprocess.DEVNULL,
    )


def until_it_answers(server: subprocess.Popen, *, seconds: float = 15, **named: object) -> None:
    deadline = time.monotonic() + seconds
    while True:
        assert server.poll() is None, "the server ended"
        try:
            with redis.Redis(password="open sesame", **named) as client:
                client.ping()
            return
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


class TlsProxy(socketserver.ThreadingTCPServer):
    """Ends TLS on a loopback port in front of the Redis at `behind`: the one that comes along speaks none itself."""

    daemon_threads = True

    def __init__(self, files: types.SimpleNamespace, behind: int) -> None:
        self.behind = behind
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(files.certificate, files.key)
        super().__init__(("127.0.0.1", 0), Relay)

    def handle_error(self, request, client_address):
        """A client that refuses the certificate hangs up."""


class Relay(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        client = self.server.context.wrap_socket(self.request, server_side=True)
        with client, socket.create_connection(("127.0.0.1", self.server.behind)) as server:
            threading.Thread(target=pump, args=(server, client), daemon=True).start()
            pump(client, server)


@pytest.fixture
def over_tls(house, redis_server, redis_url):
    """A Redis behind TLS, with a certificate for 127.0.0.1 from an authority of its own."""
    files = issue(house, "ours")
    with TlsProxy(files, redis_server.port) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        url = redis_url.replace("redis:", "rediss:").replace(f":{redis_server.port}", f":{proxy.server_address[1]}")
        yield types.SimpleNamespace(url=url, ca=files.ca)
        proxy.shutdown()


def through_celery(config) -> None:
    """Publish one message as the bell does, with the settings that the application has."""
    app = Celery("trial", set_as_current=False)
    app.conf.update(redis_client.broker(config), broker_transport_options={"max_retries": 0, "socket_timeout": 3})
    app.send_task("nothing", queue="trial", retry=False, ignore_result=True)


def redis_line() -> str:
    told = CliRunner().invoke(main, ["doctor"]).output
    assert "sesame" not in told
    return next(line for line in told.splitlines() if " redis: " in line)


def test_with_its_own_authority_doctor_and_celery_reach_it(sqlite, over_tls, setting):
    config = setting(REDIS_URL=over_tls.url, REDIS_CA_FILE=over_tls.ca)
    assert redis_line() == "✓ redis: answers"
    through_celery(config)
    with redis_client.connect(config, 3) as client:
        assert client.llen("trial") == 1


@pytest.mark.parametrize("authority", ["none", "another"])
def test_with_another_authority_or_none_both_refuse_it(sqlite, over_tls, setting, house, authority):
    given = {"REDIS_CA_FILE": issue(house, "theirs").ca} if authority == "another" else {}
    config = setting(REDIS_URL=over_tls.url, **given)
    assert redis_line().startswith("✕ redis: ")
    assert "certificate verify failed" in redis_line()
    with pytest.raises(OperationalError, match="certificate verify failed"):
        through_celery(config)


def test_a_certificate_for_another_host_is_refused_by_both(sqlite, over_tls, setting):
    url = over_tls.url.replace("127.0.0.1", "localhost")
    config = setting(REDIS_URL=url, REDIS_CA_FILE=over_tls.ca)
    assert redis_line().startswith("✕ redis: ")
    with pytest.raises(OperationalError, match="certificate verify failed"):
        through_celery(config)


def test_the_workers_application_checks_certificates(over_tls, setting):
    from worker import app

    setting(REDIS_URL=over_tls.url, REDIS_CA_FILE=over_tls.ca)
    told = app._configuration()
    assert told["broker_use_ssl"]["ssl_ca_certs"] == str(over_tls.ca)
    assert told["broker_use_ssl"]["ssl_cert_reqs"].name == "CERT_REQUIRED"


def test_a_socket_is_reached_by_doctor_and_celery(sqlite, setting):
    folder = Path(tempfile.mkdtemp(prefix="verdicts-"))  # a socket's path has at most some hundred characters
    server = serve(folder, "--port", 0, "--unixsocket", folder / "redis.sock")
    try:
        until_it_answers(server, unix_socket_path=str(folder / "redis.sock"))
        config = setting(REDIS_URL=f"unix://:open%20sesame@{folder}/redis.sock?db=2")
        assert redis_line() == "✓ redis: answers"
        through_celery(config)
        with redis_client.connect(config, 3) as client:
            assert client.llen("trial") == 1
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read (No such file or directory)"), ("no PEM", "holds no certificate in PEM form")],
)
def test_a_file_without_a_certificate_is_refused_at_the_start(setting, house, content, said):
    if content:
        (house / "ca.pem").write_text(content)
    with pytest.raises(BadSettings) as caught:
        setting(REDIS_CA_FILE="ca.pem")
    assert said in str(caught.value)
    assert "Write the path of a PEM file." in str(caught.value)
