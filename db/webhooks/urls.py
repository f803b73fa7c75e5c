"""Reads the URL of a webhook as an admin typed it. Its address is looked up when something is posted there."""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from db.rules import Refused, control_in
from db.values import in_ascii

LONGEST = 2000
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?")


class ReadUrl(NamedTuple):
    """A URL as it is requested, and its origin: what people who must not see the whole URL may see of it."""

    url: str
    origin: str


def read_url(written: str) -> ReadUrl:
    """The URL in ASCII. Raises Refused with what is wrong; the message quotes no part of it, since it may be secret."""
    text = written.strip()
    if len(text) > LONGEST:
        raise Refused(f"This URL is longer than {LONGEST:,} characters.")
    if re.search(r"\s", text) or control_in(text):
        raise Refused("A URL holds no space and no line break; write a space in it as %20.")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused("This URL's host or port cannot be read.") from None
    if parts.scheme not in ("http", "https"):
        raise Refused("A webhook's URL begins with https:// or http://.")
    if "@" in parts.netloc:
        raise Refused("Take the user and the password out of this URL: each request is signed instead.")
    if "#" in text:
        raise Refused("Take out # and what follows it: a request does not carry that part of a URL.")
    if port == 0:
        raise Refused("This URL's host or port cannot be read.")
    origin = f"{parts.scheme}://{_host(host)}" + (f":{port}" if port else "")
    query = f"?{quote(parts.query, safe=_SAFE + '?')}" if parts.query else ""
    return ReadUrl(f"{origin}{quote(parts.path, safe=_SAFE) or '/'}{query}", origin)


_SAFE = "/%:@!$&'()*+,;=~"


def _host(host: str) -> str:
    if not host:
        raise Refused("This URL names no host, such as hooks.example.com.")
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError:
            raise Refused("This URL's host is no name and no IP address.") from None
    try:
        name = in_ascii(host)
    except ValueError:
        raise Refused("This URL's host is no name and no IP address.") from None
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise Refused("This URL's host is no name and no IP address.")
    return name
