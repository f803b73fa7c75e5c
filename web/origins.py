"""Which names this site answers to, and which pages are its own: BASE_URL's origin, and this machine's own names."""

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

from flask import Flask, Response, jsonify, make_response, request

from db.settings import settings

ASKED_BY_ANY_NAME = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that load balancers and collectors ask for by an IP address."""
LONGEST = 300
"""The longest Host or Origin header that is looked at; a name in the DNS has at most 253 characters."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PLACE = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+?)\.?)(?::(?P<port>[0-9]{0,5}))?",
    re.ASCII,
)
"""Browsers write names beyond ASCII in their xn-- form, and so does BASE_URL."""
_WITHOUT_HOST = ("HTTP/1.0", "HTTP/1", "HTTP/0.9")
"""Protocols whose requests need no Host header; some servers write the first as the second."""


class Origin(NamedTuple):
    """An origin (RFC 6454): of two that differ in scheme, host or port neither may act for the other."""

    scheme: str
    host: str
    port: int


def install(app: Flask) -> None:
    """Refuse each request of `app` that is meant for another site. A name that a stranger's DNS points here would else
    be a way to read what only this machine, or only a network, should see (DNS rebinding)."""

    @app.before_request
    def refuse_other_names() -> Response | None:
        host = request.environ.get("HTTP_HOST")
        if request.path in ASKED_BY_ANY_NAME or (host and answers_to(host)):
            return None
        if not host and request.environ.get("SERVER_PROTOCOL") in _WITHOUT_HOST:
            return None  # no browser sends such a request, and a health check of old may
        return _refused(host)


def answers_to(host: str) -> bool:
    """Whether a request with this Host header is meant for this site. The port is not compared: nginx's `$host` has
    none, and DNS rebinding needs another name."""
    return len(host) <= LONGEST and _answers_to(host, settings().base_url)


def is_own(origin: str, host: str) -> bool:
    """Whether a page of this Origin is one of ours: it is BASE_URL's in scheme, host and port. A site that only this
    machine sees is also its own at the loopback name and port in `host`, by which the browser has just asked for it."""
    return len(origin) + len(host) <= 2 * LONGEST and _is_own(origin, host, settings().base_url)


def is_loopback(host: str) -> bool:
    """Whether a host is the machine that the browser itself runs on (RFC 6761 6.3, RFC 1122, RFC 4291)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


@lru_cache(maxsize=256)
def _answers_to(host: str, base_url: str) -> bool:
    try:
        name, _ = _host_and_port(host)
        return is_loopback(name) or name == _origin(base_url).host
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _is_own(origin: str, host: str, base_url: str) -> bool:
    try:
        ours, told = _origin(base_url), _origin(origin)
        if told == ours or not is_loopback(ours.host):
            return told == ours
        name, port = _host_and_port(host)
    except ValueError:
        return False
    return is_loopback(name) and told == (ours.scheme, name, port or _DEFAULT_PORTS[ours.scheme])


def _origin(url: str) -> Origin:
    """Raises ValueError for what is no origin as browsers write it, such as `null`."""
    scheme, gap, place = url.partition("://")
    scheme = scheme.lower()
    if not gap or scheme not in _DEFAULT_PORTS:
        raise ValueError("this is no origin of a site")
    host, port = _host_and_port(place)
    return Origin(scheme, host, port or _DEFAULT_PORTS[scheme])


def _host_and_port(given: str) -> tuple[str, int | None]:
    """A Host header (RFC 9110 7.2) in parts: the host in its one spelling (lower case, without the dot of the DNS root,
    an IP address in its shortest) and the port. Raises ValueError for one that cannot be read."""
    found = _PLACE.fullmatch(given)
    if found is None or int(found["port"] or 1) not in range(1, 65536):
        raise ValueError("this is neither a name nor an address")
    if found["v6"]:
        return ipaddress.IPv6Address(found["v6"]).compressed, int(found["port"] or 0) or None
    return found["name"].lower(), int(found["port"] or 0) or None


def _refused(host: str | None) -> Response:
    if host:
        status, title = 421, "Another site’s name"
        asked = host[:LONGEST].encode("ascii", "backslashreplace").decode()
        advice = f"This server is the site at {settings().base_url}, and was asked for “{asked}”. {_PASS_ON}"
    else:
        status, title = 400, "No name"
        advice = f"The request names no host (RFC 9112 3.2). This site is at {settings().base_url}."
    if request.accept_mimetypes.best_match(["text/plain", "text/html", "application/json"]) == "application/json":
        response = jsonify(error=title, advice=advice)
    else:
        response = make_response(f"{title}\n\n{advice}\n")
        response.mimetype = "text/plain"
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


_PASS_ON = (
    "If you run it behind a proxy, let the proxy pass on the Host header (in nginx: proxy_set_header Host $host)."
)
