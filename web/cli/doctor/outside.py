"""What `verdicts doctor` says of the outside line: whether one runs while requests wait for it."""

from collections.abc import Iterator

from db import moments
from db.monitoring import ages, heartbeats, pauses
from db.session import reading
from db.values import duration


def line() -> Iterator[tuple[bool | None, str]]:
    """A request that waits although its queue is open, and no line that could make it."""
    now = moments.now()
    with reading() as session:
        age = None if pauses.is_paused(session, "outside") else ages.of_outside(session, now)
        if age is None or any(each.kind == "outside" for each in heartbeats.running(session, now)):
            return
    yield False, f"a request to another's server has waited for {duration(age)}, and no outside line runs: start it"
