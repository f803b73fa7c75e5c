"""The guard: whatever a host is called, the outside line connects to the public Internet and to allowed networks."""

import socket
import threading
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.outside import addresses as outside_addresses
from worker.outside.addresses import as_the_dns_knows_it, may_connect, places_of
from worker.outside.errors import BadUrl, ForbiddenAddress, NameNotFound, TooSlow

INWARD = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
)  # fmt: skip
ADDRESSES_4 = st.integers(0, 2**32 - 1).map(IPv4Address)
INWARD_4 = st.sampled_from([ip_network(each) for each in INWARD]).flatmap(
    lambda net: st.integers(int(net.network_address), int(net.broadcast_address)).map(IPv4Address)
)


@given(ADDRESSES_4)
def test_an_ipv4_address_is_judged_alike_in_every_notation(address):
    verdict = may_connect(address, ())
    assert may_connect(IPv6Address(0xFFFF00000000 | int(address)), ()) == verdict
    assert may_connect(IPv6Address(int(IPv6Address("64:ff9b::")) | int(address)), ()) == verdict
    assert not verdict or (address.is_global and not address.is_multicast)


@given(INWARD_4)
def test_nothing_inward_is_connected_to(address):
    embedded = (
        int(address),  # IPv4-compatible, ::a.b.c.d
        0xFFFF00000000 | int(address),
        0xFFFF0000000000 | int(address),  # IPv4-translated, RFC 2765
        int(IPv6Address("64:ff9b::")) | int(address),
        int(IPv6Address("64:ff9b:1::")) | int(address),
        int(IPv6Address("2002::")) | int(address) << 80,  # 6to4
        int(IPv6Address("2001::")) | int(address) ^ 0xFFFFFFFF,  # Teredo
        int(IPv6Address("fe80::5efe:0:0")) | int(address),  # ISATAP
    )
    assert not may_connect(address, ())
    assert not any(may_connect(IPv6Address(each), ()) for each in embedded)


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_of_ipv6_only_what_is_given_out_is_public(address):
    if may_connect(address, ()):
        assert address.is_global
        assert not address.is_multicast
        assert address in ip_network("2000::/3") or address in ip_network("64:ff9b::/96") or address.ipv4_mapped


@pytest.mark.parametrize(
    "address",
    ["::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1", "2001:db8::1", "2001:0:1::",
     "2001:2::1", "2002:7f00:1::", "3fff::1", "5f00::1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "::ffff:10.0.0.1",
     "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.51.100.1", "203.0.113.9", "255.255.255.255", "168.63.129.16",
     "100.100.100.200"],
)  # fmt: skip
def test_special_addresses_are_refused(address):
    assert not may_connect(ip_address(address), ())


@pytest.mark.parametrize("address", ["1.1.1.1", "9.9.9.9", "2606:4700::1111", "2a00:1450::1", "64:ff9b::101:101"])
def test_public_addresses_are_not(address):
    assert may_connect(ip_address(address), ())


def test_a_setting_allows_a_network_and_no_other():
    allowed = (ip_network("10.20.0.0/16"), ip_network("fd12::/32"))
    assert may_connect(ip_address("10.20.3.4"), allowed)
    assert may_connect(ip_address("::ffff:10.20.3.4"), allowed)
    assert may_connect(ip_address("fd12:0:5::1"), allowed)
    assert not may_connect(ip_address("10.21.3.4"), allowed)


def spellings(address: IPv4Address) -> list[str]:
    """The ways in which inet_aton() reads an IPv4 address."""
    number, (a, b, c, d) = int(address), address.packed
    return [
        str(number), hex(number), f"0{number:o}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"{a}.{b}.{c << 8 | d}", f"{a}.{number & 0xFFFFFF}",
    ]  # fmt: skip


@given(INWARD_4, st.integers(0, 6))
def test_no_spelling_of_an_inward_address_passes(address, spelling):
    with pytest.raises(ForbiddenAddress):
        places_of(as_the_dns_knows_it(spellings(address)[spelling]), 80, (), 5)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost.", "LOCALHOST", "１２７.0.0.1", "127。0。0。1", "ⓛocalhost", "::1"]
)
def test_no_name_of_this_machine_passes(host):
    with pytest.raises((ForbiddenAddress, NameNotFound)):  # some machines do not know “localhost.” with a dot
        places_of(as_the_dns_knows_it(host), 80, (), 5)


@pytest.mark.parametrize("host", ["fe80::1%lo", "a b", "a/b", "", "ex\nample", "x" * 300, "a_b\0", "\ud800.example"])
def test_what_is_no_host_is_said_to_be_none(host):
    with pytest.raises(BadUrl):
        as_the_dns_knows_it(host)


def resolving(monkeypatch, *addresses: str) -> None:
    told = [(socket.AF_INET6 if ":" in each else socket.AF_INET, 0, 0, "", (each, 80)) for each in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: told)


def test_one_forbidden_address_among_public_ones_forbids_the_name(monkeypatch):
    resolving(monkeypatch, "1.1.1.1", "10.0.0.1")
    with pytest.raises(ForbiddenAddress, match=r"hooks.example leads to 10\.0\.0\.1"):
        places_of("hooks.example", 80, (), 1)


def test_both_families_are_tried_by_turns(monkeypatch):
    resolving(monkeypatch, "2606:4700::1", "2606:4700::2", "1.1.1.1")
    assert [each.address[0] for each in places_of("hooks.example", 80, (), 1)] == [
        "2606:4700::1", "1.1.1.1", "2606:4700::2",
    ]  # fmt: skip


def test_a_silent_name_server_costs_no_more_than_its_time(monkeypatch, waiting):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: waiting.wait(30))
    with pytest.raises(TooSlow, match="name server"):
        places_of("hooks.example", 80, (), 0.05)


def test_look_ups_that_never_end_do_not_become_more_and_more(monkeypatch, waiting):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **_: (asked.append(given), waiting.wait(30)))
    for _ in range(20):
        with pytest.raises((TooSlow, NameNotFound)):
            places_of("hooks.example", 80, (), 0.01)
    assert len(asked) == 16


@pytest.fixture
def waiting(monkeypatch):
    """An event that ends the look-ups of this test, whose turns are its own."""
    monkeypatch.setattr(outside_addresses, "_turns", threading.BoundedSemaphore(outside_addresses.LOOK_UPS))
    event = threading.Event()
    yield event
    event.set()


def test_a_name_that_leads_nowhere_is_told(monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NameNotFound, match=r"hooks.example leads to no address \(Name or service not known\)"):
        places_of("hooks.example", 80, (), 1)
