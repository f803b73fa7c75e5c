"""Failed logins in a row: counted before the password is looked at, and taken back without undoing others' waits."""

from datetime import timedelta

import pytest

from db.operators import logins
from db.operators.logins import LockedOut
from db.session import writing


def tried(now, ip="198.51.100.7"):
    with writing() as session:
        return logins.attempt(session, logins.account("dana@newsroom.example"), logins.network(ip), now)


def test_what_was_right_takes_back_its_own_wait_and_no_other(database, clock):
    before = [tried(clock.now)[0] for _ in range(4)]
    begins, _ = tried(clock.now)  # the fifth begins a wait
    with writing() as session:
        logins.take_back(session, before[-1])  # a right password that was still being looked at
    with pytest.raises(LockedOut) as shut:
        tried(clock.now)
    assert shut.value.until == clock.now + timedelta(seconds=30)
    with writing() as session:
        logins.take_back(session, begins)
    assert tried(clock.now)[0].failures == 4


def test_a_household_s_ipv6_addresses_are_one_network():
    assert logins.network("2001:db8::1") == logins.network("2001:db8::ffff:2") != logins.network("2001:db8:0:1::1")
    assert logins.network("192.0.2.1") != logins.network("192.0.2.2")
    assert logins.network(None) == logins.network("nonsense")
