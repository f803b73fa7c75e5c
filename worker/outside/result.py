"""What became of an outside job's request, as the function that made it tells."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from db.session import Session


@dataclass(frozen=True)
class Result:
    """Without an `error` the job has succeeded. An error that the function raises instead counts as a failed attempt.

    `rows` writes what else is known now, in the transaction that settles the job; if another worker holds the job
    by then, nothing is written.
    """

    rows: Callable[[Session, datetime], None] | None = None
    error: Exception | None = None
    final: bool = False
    """Whether another attempt would be in vain: the job is dead at once."""
    dropped: str = ""
    """Why nobody wants the job any more: it is discarded with this reason."""
