"""Keyset pagination: a page starts behind the last row of the page before it, and costs the same however far back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Paging:
    """The links to the newest page and to the next older one; None where there is nothing to go to."""

    newer: str | None = None
    older: str | None = None


def paged(
    rows: Sequence[Entry], size: int, at: object, cursor: Callable[[Entry], object], link: Callable[[object], str]
) -> tuple[list[Entry], Paging]:
    """The rows of the page that starts at the cursor `at` (None or 0 is the first page), and its links.

    Query `rows` with a limit of size + 1: an extra row shows that there is an older page. `link` returns the URL of the
    page that starts at a cursor; link(None) is the URL of the first page.
    """
    shown = list(rows[:size])
    older = link(cursor(shown[-1])) if len(rows) > size else None
    return shown, Paging(link(None) if at else None, older)
