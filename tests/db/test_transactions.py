"""A transaction that reads cannot write, whatever its connection did before; SQLite is told so when that changes."""

import pytest
from sqlalchemy import text

from db.engine import engine
from db.errors import DBAPIError
from db.session import reading, writing
from db.votes import votes
from tests.conftest import START


def writes(session) -> None:
    votes.cast(session, votes.new_voter(), 1, "ship", START)


def test_reading_stays_reading_after_a_transaction_that_wrote(catalogue):
    for durable in (True, False, True):
        with reading() as session, pytest.raises(DBAPIError):
            writes(session)
        with writing(durable=durable) as session:
            writes(session)
    with reading() as session, pytest.raises(DBAPIError):
        writes(session)


@pytest.mark.once
def test_one_reader_after_another_keeps_the_prepared_statements(database):
    with engine().connect() as connection:
        raw = connection.connection.dbapi_connection
    told: list[str] = []
    with reading() as session:
        session.execute(text("SELECT 1"))
    raw.set_trace_callback(told.append)
    for _ in range(2):
        with reading() as session:
            session.execute(text("SELECT 1"))
    assert told == ["BEGIN", "SELECT 1", "ROLLBACK"] * 2
