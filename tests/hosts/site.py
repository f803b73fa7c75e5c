"""A site on three hosts: computers, servers, readers who vote, and digests to send; and what became of each digest."""

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from db import migrations, moments
from db.digests import digests
from db.session import writing
from db.settings import settings
from tests.conftest import load_catalogue
from tests.crash.deployment import answers
from tests.crash.processes import MailServer, until
from tests.crash.readers import proof
from tests.crash.run import end
from tests.crash.scene import SETTINGS, Scene
from tests.hosts.book import longest_silence, rate, taken_twice
from tests.hosts.host import LINES, PORT, Host
from tests.hosts.network import Wire
from tests.hosts.people import Voters, Watch
from tests.hosts.row import Row
from tests.hosts.servers import PostgreSQL, Valkey
from worker import bell

LONGEST_SILENCE = 15.0
"""Seconds without a letter from the healthy hosts, at most, while letters wait."""
FOLD_PATIENCE = 20.0
DELAY = 0.04
"""Seconds that the mail server thinks about each letter."""


class Site(Scene):
    """Three hosts, with the web, a worker and a sender each, and the clock on the first two."""

    def __init__(self, folder: Path, delay: float) -> None:
        self.folder, self.delay, self._week, self.slot, self._people = folder, delay, 0, "", 0
        wire = Wire()
        self.database = PostgreSQL(wire.node("database"), folder)
        self.redis = Valkey(wire.node("redis"), folder)
        relay = wire.node("relay")
        self.mail = MailServer(folder, relay.address, relay.within)
        self.relay = relay
        self.environment = SETTINGS | {
            "DATABASE_URL": self.database.url(), "REDIS_URL": self.redis.url, "MAIL_URL": self.mail.url,
            "SECRET_KEY": "a key for the drill of hosts", "BASE_URL": "http://verdicts.example",
            "SEND_CONNECTIONS": "6", "SEND_LEASE": "30", "SIGNUPS_PER_NETWORK": "0", "VOTES_PER_NETWORK": "0",
        }  # fmt: skip
        self._prepare()
        self.watcher = Watch()
        lines = (LINES, LINES, LINES[:-1])
        names = ("one", "two", "three")
        self.hosts = [Host(wire.node(name), folder, self.environment, own)
                      for name, own in zip(names, lines, strict=True)]  # fmt: skip
        self.voters = Voters([host.node.address for host in self.hosts])

    def _prepare(self) -> None:
        """The schema belongs to the site's role; afterwards this process asks as the superuser."""
        os.environ.update(self.environment)
        for role in ("verdicts", "postgres"):
            os.environ["DATABASE_URL"] = self.database.desk_url(role)
            settings.cache_clear()
            if role == "verdicts":
                migrations.upgrade()
        load_catalogue()

    def tend(self) -> None:
        """All hosts healthy, all lines with the site's own settings."""
        for host in self.hosts:
            host.tend()
        until(self.all_answer, "the web of all hosts", 90)
        self.wait_for_senders(len(self.hosts))
        self.mail.order(do="delay", seconds=self.delay)

    def all_answer(self) -> bool:
        return all(answers(PORT, host.node.address) for host in self.hosts)

    def wait_for_senders(self, number: int) -> None:
        """Wait until that many hosts' senders, and no more, gave a sign of life lately."""
        until(lambda: self._senders_alive() == number, f"{number} hosts with a sender that lives", 90)

    def _senders_alive(self) -> int:
        lately = "kind = 'sender' AND alive_at > now() - interval '20s'"
        return int(self.database.ask(f"SELECT count(DISTINCT host) FROM heartbeats WHERE {lately}")[0][0])

    def doctor_says(self, *names: str) -> list[str]:
        """Those of these names that `verdicts doctor` says at the first host."""
        told = self.hosts[0].command("verdicts", "doctor")
        return [name for name in names if re.search(rf"\b{name}\b.*(clock|ahead|behind)|clock.*\b{name}\b", told)]

    # ---- a digest ----------------------------------------------------------------------------------------

    @contextmanager
    def sending(
        self, row: Row, letters: int, *, sick: tuple[Host, ...] = (), unknown: int = 0, votes: bool = True,
        withheld: Collection[str] = (),
        patience: float = 240,
    ) -> Iterator[Row]:  # fmt: skip
        """Send a digest to so many readers while the body lets something befall the site, and fill the row.

        `sick` hosts are not heard when a silence is measured; `unknown` letters are allowed, and those to the addresses
        `withheld` must not be sent."""
        self.people(letters)
        looks = len(self.watcher.faults)
        if votes:
            self.voters.__enter__()
        try:
            self.freeze()
            bell.publish("digests")
            yield row
            until(self.done, "the last letter", patience)
            if sick or unknown:
                self._wait_for_what_the_sick_know()
        except AssertionError as fault:
            row.faults.append(str(fault))
        finally:
            if votes:
                self.voters.__exit__()
        self._count(row, sick, unknown, withheld)
        if votes:
            self._count_votes(row)
        row.faults += self.watcher.faults[looks:][:1]
        self._close_digest(row)

    def _wait_for_what_the_sick_know(self) -> None:
        """A host that comes back after its leases lapsed still writes what the mail server had answered it, and gives
        back the letters that it had not begun, which are sent then."""
        with contextlib.suppress(AssertionError):
            until(lambda: not self.account().states["unknown"], "what the sick hosts know", 20)
        until(self.done, "what they gave back", 30)

    def people(self, letters: int) -> None:
        """See to it that there are so many subscribers. There may already be more."""
        if letters > self._people:
            self.readers(letters - self._people, self._people)
            self._people = letters

    def taken(self, share: float) -> None:
        """Wait until the mail server has taken that share of the digest's letters."""
        until(lambda: len(self.mail.letters()) >= share * self._people, f"{share:.0%} of the letters", 120)

    def _count(self, row: Row, sick: tuple[Host, ...], unknown: int, withheld: Collection[str]) -> None:
        found, away = self.reckon(), {host.node.address for host in sick}
        lost = set(found.lost) - set(withheld)
        doubled = taken_twice(self.mail.letters())
        row.letters, row.lost, row.doubled = found.letters, len(lost), len(doubled)
        row.unknown = found.unknown
        book = self.mail.by_host()
        row.rate = rate([when for _, when in book])
        healthy = [when for host, when in book if host not in away]
        if row.since:
            row.silence = longest_silence(healthy, row.since, self.watcher.waited.get(self.slot, row.since))
            row.ask(row.silence <= LONGEST_SILENCE, f"the healthy hosts were silent for {row.silence:.0f} s")
        row.ask(not lost, f"{row.lost} lost")
        row.ask(not doubled, f"{row.doubled} doubled: {doubled[:3]}")
        row.ask(found.unknown <= unknown, f"{found.unknown} unknown, at most {unknown}")
        ended = {"sent", "unknown", *(["skipped"] if withheld else [])}
        row.ask(found.states.keys() <= ended, f"states {found.states}")

    def _count_votes(self, row: Row) -> None:
        try:
            until(lambda: not proof().dirty, "the last vote's count", FOLD_PATIENCE)
        except AssertionError:
            row.faults.append(f"{proof().dirty} votes not counted after {FOLD_PATIENCE:.0f} s")
        lost = self.voters.lost()
        row.ask(not lost, f"{len(lost)} votes or sign-ups lost: {lost[:2]}")
        row.ask(not proof().faults, f"votes check: {proof().faults[:1]}")
        row.ask(not self.voters.faults, f"{len(self.voters.faults)} requests: {self.voters.faults[:1]}")
        self.voters.faults.clear()

    def _close_digest(self, row: Row) -> None:
        """Settle what is in doubt. A digest that is still owed is cancelled: the next one follows."""
        try:
            if not self.done():
                with writing() as session:
                    digests.move(session, self.slot, "cancel", moments.now())
                until(lambda: not self.account().states["sending"], "the letters in hand", 60)
                return
            end(self)
        except AssertionError as fault:
            row.faults.append(f"the digest does not end: {fault}")
