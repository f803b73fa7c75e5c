"""Votes: the two choices, their share, and how often a voter may change them."""

from typing import Literal

Choice = Literal["ship", "skip"]


def share(ship: int, skip: int) -> int | None:
    """The share of `ship` in whole percent, halves rounded up; None without any."""
    total = ship + skip
    return (200 * ship + total) // (2 * total) if total else None


CHANGES_PER_VOTER = 30
"""How often one voter may cast, change or withdraw in a minute."""
