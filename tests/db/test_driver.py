"""The raw driver's connections come from the pool that all others come from, and go back as they were."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest

from db.driver import DriverConnection, driver_connection
from db.session import reading, writing
from db.votes import votes

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)


def cast(driver: DriverConnection, voter: str) -> None:
    assert votes.cast_at_once(driver, f"anonymous:{voter}", "inkwell", "ship", NOW)


def cast_and_fail(tool_id: int, voter: str) -> None:
    with suppress(ZeroDivisionError), writing() as session:
        votes.cast(session, f"anonymous:{voter}", tool_id, "ship", NOW)
        raise ZeroDivisionError


def leave_amid(voter: str) -> None:
    with driver_connection() as driver:
        driver.execute("BEGIN", ())
        cast(driver, voter)
        raise ZeroDivisionError


def standing() -> int:
    with reading() as session:
        return votes.dirty(session)


def test_after_a_statement_that_committed_by_itself_a_transaction_is_one_again(catalogue):
    with driver_connection() as driver:
        cast(driver, "alice")
    cast_and_fail(catalogue.inkwell, "bob")
    assert standing() == 1


def test_a_transaction_that_was_left_open_is_rolled_back_and_the_next_one_is_whole(catalogue):
    with pytest.raises(ZeroDivisionError):
        leave_amid("alice")
    assert standing() == 0
    cast_and_fail(catalogue.inkwell, "bob")
    with driver_connection() as driver:
        cast(driver, "carol")
    assert standing() == 1


def test_a_session_whose_statement_failed_serves_the_next_one(catalogue):
    with pytest.raises(Exception, match="nowhere"), driver_connection() as driver:
        driver.fetch("SELECT 1 FROM nowhere", ())
    with driver_connection() as driver:
        assert driver.fetch("SELECT 1", ()) == [(1,)]
        cast(driver, "alice")
    assert standing() == 1
