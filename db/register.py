"""The register of persons: each column says which trace of a person it can hold, and here all of them are listed."""

from datetime import date, datetime, time
from fnmatch import fnmatchcase as fnmatch
from typing import Annotated, Any, Literal, NamedTuple, get_args

from sqlalchemy import Column, Enum, MetaData
from sqlalchemy.orm import MappedColumn, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

Word = Literal["none", "address", "network", "name", "token", "key", "free text"]
"""The trace that a column can hold: an email address; an IP address; a person's own name, or a domain that may be one
person's; a secret that stands for somebody (a cookie, a password); a key, which is a keyed hash or a number with its
kind; or free text, in which people and mail servers may quote any of these."""
Whose = Literal["readers", "operators", "reviewers"]
"""Whose trace it is. What belongs to operators and reviewers stays when a reader is erased."""
WORDS: tuple[Word, ...] = get_args(Word)


def holds(word: Word, of: Whose = "readers") -> MappedColumn[str]:
    """The mark of a column, to be written in its type: `Mapped[Annotated[dict[str, Any], holds("free text")]]`."""
    return mapped_column(info={"person": word, "of": of})


Plain = Annotated[str, holds("none")]
"""Text that the program itself or the newsroom writes, in which no person stands."""
Address = Annotated[str, holds("address")]
Network = Annotated[str, holds("network")]
Name = Annotated[str, holds("name")]
Token = Annotated[str, holds("token")]
KeyedHash = Annotated[str, holds("key")]
FreeText = Annotated[str, holds("free text")]
FreeFields = Annotated[dict[str, Any], holds("free text")]
OperatorAddress = Annotated[str, holds("address", "operators")]
OperatorNetwork = Annotated[str, holds("network", "operators")]
OperatorToken = Annotated[str, holds("token", "operators")]
ReviewerName = Annotated[str, holds("name", "reviewers")]

_PLAIN_TYPES = (bool, int, float, datetime, date, time)
"""Numbers, moments and yes or no hold nobody; nor does a choice of words that the code lists (an Enum)."""


class Place(NamedTuple):
    """A column that can hold a person."""

    table: str
    column: str
    word: Word
    of: Whose


def word_of(column: Column[Any]) -> Word | None:
    """The column's word; None if it has none, and must say one."""
    word: Word | None = column.info.get("person")
    return word or ("none" if _is_plain(column.type) else None)


def _is_plain(kind: TypeEngine[Any]) -> bool:
    stored = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    return isinstance(stored, Enum) or issubclass(stored.python_type, _PLAIN_TYPES)


def places(tables: MetaData) -> list[Place]:
    """Every column that can hold a person, by table."""
    columns = [column for table in tables.sorted_tables for column in table.columns]
    return [
        Place(column.table.name, column.name, word, column.info["of"])
        for column in columns
        if (word := word_of(column)) not in (None, "none")
    ]


# ---- outside the tables --------------------------------------------------------------------------------------


class Elsewhere(NamedTuple):
    """A place outside the tables; `pattern` is a file's path below `var/`, a Redis key or a process's log."""

    kind: Literal["file", "Redis", "log"]
    pattern: str
    word: Word
    why: str


ELSEWHERE = (
    Elsewhere("file", "verdicts.sqlite3*", "free text", "the tables themselves, with SQLite’s write-ahead log"),
    Elsewhere("file", "outbox/*", "address", "letters, where `MAIL_URL` is a Maildir; removed with the person"),
    Elsewhere("file", "redis/*", "none", "what the embedded Redis keeps"),
    Elsewhere("file", "redis.url", "none", "the address of the embedded Redis"),
    Elsewhere("file", "settings.json", "none", "prints of the settings with which processes ran last"),
    Elsewhere("file", "up.lock", "none", "held by `verdicts up` while it runs"),
    Elsewhere("file", "secret_key", "none", "the key of keyed hashes and signed links"),
    Elsewhere("Redis", "verdicts:*", "none", "messages that wake a worker: a task’s name, and no more"),
    Elsewhere("Redis", "_kombu.binding.*", "none", "the names of the queues"),
    Elsewhere("log", "*", "none", "ids and counts; an address in an error is masked before it is written"),
)
"""Every place outside the tables. What the code keeps anywhere else is red in a test, until it stands here."""


def elsewhere(kind: str, name: str) -> Elsewhere | None:
    """The place that a file, a Redis key or a log belongs to."""
    return next((each for each in ELSEWHERE if each.kind == kind and fnmatch(name, each.pattern)), None)
