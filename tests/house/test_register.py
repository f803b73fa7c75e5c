"""Each column says whether it can hold a person, and which trace of one."""

from pathlib import Path
from typing import Annotated

from sqlalchemy import JSON, Column, MetaData, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db import register
from db.register import Address, FreeText, Plain, holds
from db.tables import TABLES

COLUMNS = [column for table in TABLES.sorted_tables for column in table.columns]


def test_every_column_says_whether_it_can_hold_a_person():
    silent = [str(each) for each in COLUMNS if register.word_of(each) not in register.WORDS]
    assert silent == [], "say in its type, as db/register.py shows, what it holds"
    assert len(COLUMNS) > 250


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


# ---- docs/persons.md -----------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs/persons.md").read_text()


def rows(title: str) -> list[list[str]]:
    """The cells of the table under that heading, without its head."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_page_lists_every_column_that_can_hold_a_person_with_its_word():
    told = {
        (table.strip("`"), *column.split("`: "), whose)
        for table, whose, columns, becomes in rows("In the tables")
        for column in columns.lstrip("`").split(", `")
        if becomes
    }
    assert told == {(place.table, place.column, place.word, place.of) for place in register.places(TABLES)}


def test_the_page_lists_every_place_outside_the_tables():
    assert rows("Outside the tables") == [
        [each.kind, f"`{each.pattern}`", each.word, each.why] for each in register.ELSEWHERE
    ]


def test_the_page_explains_every_word():
    words = PAGE.split("## In the tables")[0]
    assert all(f"\n| {word} | " in words for word in register.WORDS if word != "none")
