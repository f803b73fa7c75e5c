"""Each column says whether it can hold a person, and which trace of one."""

from typing import Annotated

import pytest
from sqlalchemy import JSON, Column, MetaData, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db import register
from db.register import Address, FreeText, Plain, holds
from db.tables import TABLES

COLUMNS = [column for table in TABLES.sorted_tables for column in table.columns]


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_every_column_says_whether_it_can_hold_a_person(column):
    assert register.word_of(column) in register.WORDS, (
        f"{column} says in its type, as db/register.py shows, what it holds"
    )


def test_text_without_a_word_and_json_without_one_are_noticed():
    table = Table("new", MetaData(), Column("said", String), Column("fields", JSON), Column("count", JSON))
    assert [register.word_of(column) for column in table.columns] == [None, None, None]


def test_a_word_stands_in_a_columns_type_whatever_else_the_column_says():
    class Base(DeclarativeBase):
        pass

    class Guest(Base):
        __tablename__ = "guests"
        number: Mapped[int] = mapped_column(primary_key=True)
        address: Mapped[Address | None] = mapped_column(unique=True)
        note: Mapped[FreeText] = mapped_column(default="", deferred=True)
        fields: Mapped[Annotated[dict[str, str], holds("name", "operators")] | None] = mapped_column(JSON)
        state: Mapped[Plain]

    assert [tuple(place) for place in register.places(Base.metadata)] == [
        ("guests", "address", "address", "readers"),
        ("guests", "note", "free text", "readers"),
        ("guests", "fields", "name", "operators"),
    ]


def test_the_words_that_matter_most_are_said():
    said = {(place.table, place.column): place.word for place in register.places(TABLES)}
    assert said["subscribers", "address"] == "address"
    assert said["consents", "ip"] == "network"
    assert said["votes", "voter"] == "token"
    assert said["suppressions", "address_hash"] == "key"
    assert said["deliveries", "reply"] == "free text"
    assert not {place.column for place in register.places(TABLES)} & {"id", "state", "created_at"}
