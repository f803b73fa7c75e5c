"""The outside line's HTTP client: one request to a host that the guard lets through, in ten seconds in all.

Redirects are not followed, and no proxy, netrc file or cookie is used. At most 64 KiB of an answer are read.
"""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from socket import SHUT_RDWR, socket
from urllib.parse import SplitResult, urlsplit

import h11

from db.schema import RELEASE
from db.settings import settings
from worker.outside import addresses
from worker.outside.addresses import Place
from worker.outside.errors import (
    BadUrl,
    BrokenAnswer,
    CertificateRefused,
    OutsideError,
    Redirected,
    TooSlow,
    Unreachable,
)

SECONDS = 10.0
"""How long a whole request may take: the look-up, the connection, TLS, sending and the answer."""
LIMIT = 64 * 1024
"""Bytes of an answer that are read at most, its headers included."""
HEADERS = 32 * 1024
ADDRESSES = 6
"""So many of a host's addresses are tried, each with its share of the time that is left."""


@dataclass(frozen=True)
class Answer:
    """What a server answered. `body` is its beginning if it was longer than was read, or too slow: not `whole`."""

    host: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Deadline:
    """The moment at which a request has to be over."""

    def __init__(self, host: str, seconds: float) -> None:
        self.host, self.end = host, time.monotonic() + seconds

    def left(self) -> float:
        """Seconds. Raises TooSlow if there are none."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TooSlow(f"{self.host} took longer than {SECONDS:g} s for a whole request; it is asked again later.")
        return left


def post(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Post to this URL. Any answer but a redirect is returned; raises OutsideError for everything else."""
    return request("POST", url, headers, body)


def request(method: str, url: str, headers: Mapping[str, str], body: bytes = b"", seconds: float = SECONDS) -> Answer:
    """Make one request."""
    parts, host, port = _read(url)
    head, deadline = _head(method, parts, host, headers, body), Deadline(host, seconds)
    places = addresses.places_of(host, port, settings().outside_networks, deadline.left())
    try:
        connection = _connect(places, deadline)
        try:
            if parts.scheme == "https":
                connection = _with_tls(connection, host, deadline)
            answer = _converse(connection, head, body, deadline)
        finally:
            _hang_up(connection)
    except TimeoutError:
        deadline.left()
        raise TooSlow(f"{host} took too long; it is asked again later.") from None
    except OSError as error:
        raise Unreachable(f"{host} broke the connection off ({_word(error)}); it is asked again later.") from None
    if 300 <= answer.status < 400:
        raise Redirected(_where_to(answer))
    return answer


def _read(url: str) -> tuple[SplitResult, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadUrl("The URL's host and port cannot be read.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadUrl("The URL does not begin with https:// or http:// and a host.")
    if "@" in parts.netloc:
        raise BadUrl("The URL holds a user or a password, which is not sent; leave it out.")
    if port == 0:
        raise BadUrl("The URL's port is no number from 1 to 65535.")
    host = addresses.as_the_dns_knows_it(parts.hostname)
    return parts, host, port or (443 if parts.scheme == "https" else 80)


# ---- the connection ----------------------------------------------------------------------------------------------


def _connect(places: list[Place], deadline: Deadline) -> socket:
    """A connection to the first address that takes one."""
    tried = places[:ADDRESSES]
    error: OSError | None = None
    for number, place in enumerate(tried):
        connection = socket(place.family)
        try:
            connection.settimeout(deadline.left() / (len(tried) - number))
            connection.connect(place.address)
        except OSError as failure:
            connection.close()
            error = failure
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    if isinstance(error, TimeoutError):
        raise TooSlow(f"{deadline.host} takes no connection; a firewall may drop it. It is asked again later.")
    raise Unreachable(f"{deadline.host} takes no connection ({_word(error)}); it is asked again later.")


@cache
def _certificates() -> ssl.SSLContext:
    """The authorities that this machine trusts; SSL_CERT_FILE names others."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _with_tls(connection: socket, host: str, deadline: Deadline) -> ssl.SSLSocket:
    connection.settimeout(deadline.left())
    try:
        return _certificates().wrap_socket(connection, server_hostname=host.rstrip("."))
    except ssl.SSLCertVerificationError as error:
        connection.close()
        raise CertificateRefused(
            f"The certificate of {host} is refused ({error.verify_message}). Its owner has to renew or complete it; a "
            "certificate of your own authority needs SSL_CERT_FILE."
        ) from None
    except ssl.SSLError as error:
        connection.close()
        raise Unreachable(f"{host} speaks no TLS there ({error.reason}). Is it https, and that port?") from None


def _hang_up(connection: socket) -> None:
    """Close at once, without TLS's farewell, for which a server could let us wait."""
    try:
        connection.shutdown(SHUT_RDWR)
    except OSError:
        pass
    finally:
        connection.close()


# ---- the exchange ------------------------------------------------------------------------------------------------


def _head(method: str, parts: SplitResult, host: str, headers: Mapping[str, str], body: bytes) -> h11.Request:
    shown = f"[{host}]" if ":" in host else host
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    own = {
        "Host": f"{shown}:{parts.port}" if parts.port else shown,
        "User-Agent": f"Verdicts/{RELEASE}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Content-Length": str(len(body)),
    }
    try:
        return h11.Request(method=method, target=target, headers=[*own.items(), *headers.items()])
    except h11.LocalProtocolError:
        raise BadUrl("The URL holds a space or another character that has to be percent-encoded.") from None
    except UnicodeEncodeError:
        raise BadUrl("The URL holds a letter beyond ASCII that has to be percent-encoded.") from None


def _converse(connection: socket, head: h11.Request, body: bytes, deadline: Deadline) -> Answer:
    protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADERS)
    out = [protocol.send(head), protocol.send(h11.Data(data=body)) if body else b"", protocol.send(h11.EndOfMessage())]
    early = _send(connection, b"".join(each or b"" for each in out), deadline)
    answer, received, chunks = None, 0, list[bytes]()
    try:
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                if received >= LIMIT:
                    break
                connection.settimeout(deadline.left())
                data = connection.recv(min(16_384, LIMIT - received))
                received += len(data)
                protocol.receive_data(data)
            elif isinstance(event, h11.Response):
                answer = event
            elif isinstance(event, h11.Data):
                chunks.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return _answered(deadline, answer, chunks, whole=True)
            elif not isinstance(event, h11.InformationalResponse):
                break
    except (h11.RemoteProtocolError, OSError, OutsideError) as error:
        # Its status is the server's word, whatever becomes of the rest.
        if answer is None and not isinstance(error, h11.RemoteProtocolError):
            raise early or error from None
    return _answered(deadline, answer, chunks, whole=False)


def _send(connection: socket, data: bytes, deadline: Deadline) -> OSError | None:
    """Send all of it. A server may answer and hang up before it has read everything: then its answer counts."""
    left = memoryview(data)
    try:
        while left:
            connection.settimeout(deadline.left())
            left = left[connection.send(left[:65_536]) :]
    except TimeoutError:
        raise
    except OSError as error:
        return error
    return None


def _answered(deadline: Deadline, answer: h11.Response | None, chunks: list[bytes], *, whole: bool) -> Answer:
    if answer is None:
        raise BrokenAnswer(f"{deadline.host} sent no HTTP answer, or too long a one. Is the URL the right one?")
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in reversed(answer.headers)}
    return Answer(deadline.host, answer.status_code, headers, b"".join(chunks), whole)


# ---- in words ------------------------------------------------------------------------------------------------


def _where_to(answer: Answer) -> str:
    try:
        host = urlsplit(answer.headers.get("location", "")).hostname
    except ValueError:
        host = None
    where = f"to {host}" if host and host.isascii() and host.isprintable() and host != answer.host else "elsewhere"
    return f"{answer.host} redirects {where} ({answer.status}), which is not followed: enter the final URL."


def _word(error: OSError | None) -> str:
    return (error and error.strerror) or "no answer"
