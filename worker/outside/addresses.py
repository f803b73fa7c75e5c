"""The guard of the outside line: which addresses it connects to, and to which ones a host's name leads.

A URL that somebody typed or sent may lead anywhere, also to services of this machine and its network that trust whoever
reaches them. So a name is looked up once, each of its addresses must be one of the public Internet or of a network that
OUTSIDE_NETWORKS allows, and the connection goes to such an address and asks no name server again.
"""

import re
import socket
import threading
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, NamedTuple

from db.values import in_ascii
from worker.outside.errors import BadUrl, ForbiddenAddress, NameNotFound, TooSlow

Networks = Sequence[IPv4Network | IPv6Network]

# `is_global` alone changes from one Python to the next, and calls some of these global.
_NOT_PUBLIC_4 = [
    ip_network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # public by number, but inside Azure it is the machine's own host
    )
]  # fmt: skip
"""RFC 6890 and the IANA registry of special-purpose addresses."""
_PUBLIC_6 = ip_network("2000::/3")
"""All that IANA has given out as global unicast (RFC 4291 2.4); but for what follows."""
_NOT_PUBLIC_6 = [ip_network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
"""Protocol assignments with Teredo among them, documentation, and 6to4, which holds an IPv4 address of anybody's."""
_MAPPED, _TRANSLATED = ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96")
"""IPv4 addresses in IPv6 notation (RFC 4291 2.5.5.2), and behind the translator NAT64 (RFC 6052)."""

LOOK_UPS = 16
"""So many look-ups may be under way at once: a name server that is silent holds each for up to half a minute."""


def may_connect(address: IPv4Address | IPv6Address, allowed: Networks) -> bool:
    """Whether the outside line may connect to this address."""
    if any(address.version == each.version and address in each for each in allowed):
        return True
    if isinstance(address, IPv6Address):
        if address in _MAPPED or address in _TRANSLATED:
            return may_connect(IPv4Address(int(address) & 0xFFFFFFFF), allowed)
        return (
            address in _PUBLIC_6
            and not any(address in each for each in _NOT_PUBLIC_6)
            and address.is_global
            and address.scope_id is None
        )
    return not any(address in each for each in _NOT_PUBLIC_4) and address.is_global


class Place(NamedTuple):
    """An address that may be connected to, as sockets take it."""

    family: int
    address: Any


def as_the_dns_knows_it(host: str) -> str:
    """The host in ASCII: letters beyond it in punycode. Raises BadUrl for what is no host's name or address."""
    try:
        name = in_ascii(host)
    except ValueError:
        raise BadUrl("The URL's host cannot be written in the DNS; write it as its owner does.") from None
    if "%" in name:
        raise BadUrl("The URL's host has a zone (%), which only this machine would understand; write it without.")
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", name) or len(name) > 253:
        raise BadUrl("The URL's host is no name and no IP address.")
    return name.lower()


def places_of(host: str, port: int, allowed: Networks, seconds: float) -> list[Place]:
    """Where the host's name leads to, both families by turns. Raises if any of its addresses is forbidden."""
    found = _look_up(host, port, seconds)
    for each in found:
        address = ip_address(each.address[0])
        if not may_connect(address, allowed):
            where = "is" if _is_written_out(host) else f"leads to {address},"
            raise ForbiddenAddress(
                f"{host} {where} no address of the public Internet. If the server is yours, allow its network with "
                "OUTSIDE_NETWORKS; otherwise correct the URL or the host's DNS."
            )
    return _by_turns(found)


def _is_written_out(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _by_turns(found: list[Place]) -> list[Place]:
    """The first family first, then the other: a host that cannot be reached over one of them is tried over both."""
    first = [each for each in found if each.family == found[0].family]
    other = [each for each in found if each.family != found[0].family]
    turns: list[Place] = []
    while first or other:
        turns += first[:1] + other[:1]
        del first[:1], other[:1]
    return turns


# ---- the look-up -----------------------------------------------------------------------------------------------

_turns = threading.BoundedSemaphore(LOOK_UPS)


class _LookUp(threading.Thread):
    """A look-up in a thread of its own: getaddrinfo() takes no time limit, and a name server may be silent."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(name="look-up", daemon=True)
        self.host, self.port, self.turns = host, port, _turns
        self.found: list[Place] = []
        self.error: OSError | UnicodeError | None = None

    def run(self) -> None:
        try:
            told = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            self.found = [Place(family, address) for family, _, _, _, address in told]
        except (OSError, UnicodeError) as error:
            self.error = error
        finally:
            self.turns.release()


def _look_up(host: str, port: int, seconds: float) -> list[Place]:
    if not _turns.acquire(timeout=seconds):
        raise NameNotFound("This machine's name server does not answer; see /etc/resolv.conf.")
    asked = _LookUp(host, port)
    asked.start()
    asked.join(seconds)
    if asked.is_alive():
        raise TooSlow(f"The name server did not say in time where {host} is; see /etc/resolv.conf.")
    if asked.error is not None or not asked.found:
        raise NameNotFound(f"{host} leads to no address ({_why(asked.error)}). Correct the URL, or the host's DNS.")
    return list(dict.fromkeys(asked.found))


def _why(error: OSError | UnicodeError | None) -> str:
    return (isinstance(error, OSError) and error.strerror) or "no address"
