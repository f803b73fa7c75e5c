"""Networks as limits count them: who shares one address, or one household's range of addresses."""

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

UNKNOWN = "unknown"
"""The network of everybody whose address cannot be read, such as visitors over a Unix socket."""

_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291
_TRANSLATED = bytes.fromhex("0064ff9b") + bytes(8)  # 64:ff9b::/96, RFC 6052
_6TO4 = bytes.fromhex("2002")  # 2002::/16, RFC 3056


def network_of(address: str | None) -> str:
    """One IPv4 address, or the /64 of an IPv6 one, which is the least that a household has.

    An IPv6 address that stands for an IPv4 one counts as that: behind a translator all of IPv4 lies in one /64, and a
    6to4 user has 65,536 of them. (`ipaddress` would cost a vote 10 µs.)
    """
    text = without_port(address or "")
    try:
        if ":" not in text:
            return inet_ntop(AF_INET, inet_pton(AF_INET, text))
        packed = inet_pton(AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        return UNKNOWN
    if packed.startswith((_MAPPED, _TRANSLATED)):
        return inet_ntop(AF_INET, packed[12:])
    if packed.startswith(_6TO4):
        return inet_ntop(AF_INET, packed[2:6])
    return inet_ntop(AF_INET6, packed[:8] + bytes(8)) + "/64"


def without_port(address: str) -> str:
    """The address alone, from `192.0.2.1:5678`, `[2001:db8::1]:5678` or `[2001:db8::1]`, as some proxies write it."""
    address = address.strip()
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address
