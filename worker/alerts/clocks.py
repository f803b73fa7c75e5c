"""What operators are told of a host whose clock is off."""

from collections.abc import Iterator
from datetime import datetime

from db.monitoring import clocks
from db.monitoring.alerts import Condition
from db.session import Session


def clocks_that_are_off(session: Session, now: datetime) -> Iterator[Condition]:
    """Each host whose clock is two seconds or more from the database's."""
    for host, by in clocks.off(session, now).items():
        yield Condition(
            f"skew:{host}",
            "skew",
            f"The clock of host {host} is {clocks.in_words(by)}",
            (
                "The site goes by the database’s time, so nothing opens early and no lease ends early. The host’s logs "
                "and everything else on it go by the wrong time.",
                "Look at its time service (NTP): timedatectl, chronyc tracking. If every host is named, the database’s "
                "own clock may be wrong.",
            ),
            "/operator",
        )
