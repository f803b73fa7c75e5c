"""Who looks on: readers who vote on all hosts, and a watcher who remembers until when letters waited."""

import time

from sqlalchemy import text

from db.session import reading
from tests.conftest import TOOLS
from tests.crash.readers import Readers, Said
from tests.crash.scene import Watcher
from tests.hosts.host import PORT


class Watch(Watcher):
    """Also remembers until when letters of each digest waited for a sender. Those that a lost host still claims do not
    wait: nobody may send them before its lease has lapsed."""

    def __init__(self) -> None:
        self.waited: dict[str, float] = {}
        super().__init__()

    def _look(self) -> None:
        super()._look()
        with reading(snapshot=True) as session:
            for slot in session.scalars(text(_WAITING)):
                self.waited[slot] = time.time()


_WAITING = (
    "SELECT slot FROM digests WHERE state = 'frozen' OR state = 'sending' AND EXISTS (SELECT FROM deliveries"
    " WHERE letter = 'digest' AND about = digests.id AND state = 'pending')"
)


class Voters(Readers):
    """Readers who ask all hosts. What was not answered may still come to pass later, when a host that hung goes on: so
    such a choice stays possible."""

    def __init__(self, hosts: list[str]) -> None:
        super().__init__(PORT, list(TOOLS), hosts, pause=0.1, patience=2.5)  # 30 tries a minute are too many
        self._hanging: dict[Said, set[str | None]] = {}

    def _post(self, path: str, form: dict[str, str], headers: dict[str, str], success: int) -> bool:
        named = {"Host": "verdicts.example"}  # as a proxy passes it on: the site answers to its own name alone
        return super()._post(path, form, headers | named, success)

    def _vote(self, said: Said, choice: str) -> bool:
        answered = super()._vote(said, choice)
        hanging = self._hanging.setdefault(said, set())
        if answered:
            self.may[said] |= hanging
        else:
            hanging.add(choice)
        return answered
