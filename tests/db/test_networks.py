"""Who counts as one network: a household, however many addresses it has, and whatever a proxy writes around them."""

import pytest

from db.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("64:ff9b::192.0.2.1", "192.0.2.1"),
        ("2002:c000:201:77::1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("192.0.2.1:51234", "192.0.2.1"),
        ("[2001:db8::1]:51234", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        (" 192.0.2.1 ", "192.0.2.1"),
    ],
)
def test_one_household_is_one_network(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize("address", [None, "", "unknown", "_hidden", "192.0.2.999", "x" * 9000, "1:2", "["])
def test_whoever_cannot_be_told_apart_counts_as_one(address):
    assert network_of(address) == "unknown"
