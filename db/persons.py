"""Person keys, such as `subscriber:7` or `operator:3`, which name the owner of a vote or a letter."""

from typing import Literal

Kind = Literal["subscriber", "operator"]


def person_of(number: int, kind: Kind = "subscriber") -> str:
    """The key of a subscriber (or operator) in votes and deliveries."""
    return f"{kind}:{number}"


def subscriber_id(person: str) -> int | None:
    """The number in `subscriber:7`; None for any other person."""
    kind, _, number = person.partition(":")
    return int(number) if kind == "subscriber" else None


# ---- the same in SQL ---------------------------------------------------------------------------------------


def person_in(column: str) -> str:
    """SQL for the person whose number a column of `subscribers` holds."""
    return f"'subscriber:' || {column}"


PERSON_OF_ID = person_in("id")
"""SQL for the person of a row of `subscribers`."""
SUBSCRIBERS = "subscriber:%"
"""A LIKE pattern for every person who is a subscriber."""


def number_in(column: str, kind: Kind = "subscriber") -> str:
    """SQL for the number in a column that holds persons; NULL in rows whose person is of another kind."""
    start = len(kind) + 1
    return f"CASE WHEN substr({column}, 1, {start}) = '{kind}:' THEN CAST(substr({column}, {start + 1}) AS bigint) END"
