"""A person is written in one way and read in one way, in Python and in SQL."""

import pytest
from sqlalchemy import text

from db.persons import number_in, person_of, subscriber_id
from db.session import reading


def test_a_subscriber_is_read_as_written():
    assert person_of(7) == "subscriber:7"
    assert subscriber_id(person_of(7)) == 7


@pytest.mark.parametrize("person", ["operator:7", "anonymous:7", "7", ""])
def test_nobody_else_has_a_subscribers_number(person):
    assert subscriber_id(person) is None


@pytest.mark.parametrize(
    ("person", "kind", "number"),
    [("subscriber:7", "subscriber", 7), ("operator:7", "operator", 7), ("operator:7", "subscriber", None),
     ("subscriber:7", "operator", None)],
)  # fmt: skip
def test_the_database_reads_the_same_number(database, person, kind, number):
    with reading() as session:
        found = session.scalar(text(f"SELECT {number_in('person', kind)} FROM (SELECT '{person}' AS person) AS one"))
    assert found == number
