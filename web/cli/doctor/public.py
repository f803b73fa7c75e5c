"""What `verdicts doctor` says of the way that readers come: whether BASE_URL leads through the proxy to this
site, and to nothing that is not theirs."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from db.settings import Settings

PATIENCE = 6.0
"""Seconds for all of it; the name server's answer is in them."""
_PASS_ON = (
    "let the proxy pass on the Host header (nginx: proxy_set_header Host $host; Apache: ProxyPreserveHost On; "
    "HAProxy, Caddy and Traefik do by default)"
)

_HIDDEN = (
    "the proxy asks as a program of this machine would; let it send X-Forwarded-For (nginx: proxy_set_header "
    "X-Forwarded-For $proxy_add_x_forwarded_for), or set METRICS_TOKEN"
)


class Answer(NamedTuple):
    """What somebody answered at BASE_URL."""

    status: int
    location: str


def way(config: Settings) -> Iterator[tuple[bool | None, str]]:
    """Whether a reader's request arrives, and a sentence about it. A site for this machine alone has no such way, and
    one that cannot be reached from here, for instance because its name leads elsewhere inside, is a warning only."""
    if config.is_local:
        return
    found = _asked(config.base_url)
    if not isinstance(found, Answer):
        yield None, _unreached(found, config.base_url)
        return
    yield told(found, config.base_url)
    measures = _asked(config.base_url, "/metrics")
    if isinstance(measures, Answer) and measures.status == 200:
        yield False, f"{config.base_url}/metrics can be read by everybody: {_HIDDEN}"


def told(answer: Answer, site: str) -> tuple[bool | None, str]:
    """What this answer to a request for the first page means for the site at this address."""
    status, location = answer
    if status == 421:
        return False, f"{site} answers 421: the proxy asks the site by another name, so nobody sees a page; {_PASS_ON}"
    if 300 <= status < 400 and location.startswith("http") and not _is_at(site, location):
        return (
            False,
            f"{site} leads on to {location[:200]}, from where no form is taken: set BASE_URL to where readers are",
        )
    if status < 400:
        return True, f"{site} answers"
    if status in (502, 504):
        return None, f"{site} answers {status}: the proxy does not reach the web processes"
    return None, f"{site} answers {status}"


def _is_at(site: str, location: str) -> bool:
    try:
        there = urlsplit(location)
        return f"{there.scheme}://{there.netloc}".lower() == site.lower()
    except ValueError:
        return False


def _unreached(error: Exception | None, site: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{site} shows a certificate that this machine does not trust: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return f"this machine's name server does not know the host of {site}"
    if error is None or isinstance(error, TimeoutError):
        return f"{site} has not answered for {PATIENCE:.0f} s"
    return f"{site} cannot be reached from here: {type(error).__name__}"


def _asked(site: str, path: str = "/") -> Answer | Exception | None:
    """The answer, the error, or None for none in time. The thread ends with the command."""
    found: list[Answer | Exception] = []

    def ask() -> None:
        try:
            found.append(_get(site, path))
        except (OSError, http.client.HTTPException, ValueError) as error:
            found.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return found[0] if found else None


def _get(site: str, path: str) -> Answer:
    parts = urlsplit(site)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Accept": "text/html", "User-Agent": "verdicts doctor"})
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheader("Location") or "")
    finally:
        connection.close()
