"""Whose a letter or a vote is, written as one word: `subscriber:7`, `operator:3`."""

from typing import Literal

Kind = Literal["subscriber", "operator"]


def person_of(number: int, kind: Kind = "subscriber") -> str:
    """How the subscriber (or operator) of that number is written in votes and deliveries."""
    return f"{kind}:{number}"


def subscriber_id(person: str) -> int | None:
    """The number in `subscriber:7`; None for a person who is none."""
    kind, _, number = person.partition(":")
    return int(number) if kind == "subscriber" else None


# ---- the same in SQL ---------------------------------------------------------------------------------------

PERSON_OF_ID = "'subscriber:' || id"
"""SQL for the person of a row of `subscribers`."""
SUBSCRIBERS = "subscriber:%"
"""A LIKE pattern for every person who is a subscriber."""


def number_in(column: str, kind: Kind = "subscriber") -> str:
    """SQL for the number in a column that holds persons; NULL in rows whose person is of another kind."""
    start = len(kind) + 1
    return f"CASE WHEN substr({column}, 1, {start}) = '{kind}:' THEN CAST(substr({column}, {start + 1}) AS bigint) END"
