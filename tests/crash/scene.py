"""A newsletter for crash tests: readers, a digest to send, a mail server that records letters, and a final count."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError

from db.deliveries import accounts, addressing
from db.deliveries.accounts import Account
from db.deliveries.deliveries import Delivery
from db.digests import digests
from db.digests.digests import Digest
from db.refusals import refusal
from db.session import reading, writing
from db.subscribers import audiences
from db.subscribers.subscribers import Subscriber
from emails.letters import mark
from tests.crash.processes import PATIENCE, Child, MailServer, Nursery, until

WINDOW, LEASE = 8, 2
SHORT_LEASE = 1
"""Seconds, the shortest lease that the settings allow: for senders whose lease has to lapse while the test waits."""
SETTINGS = {
    "SEND_WINDOW": str(WINDOW),
    "SEND_LEASE": str(LEASE),
    "MAIL_FROM": "The Weekly <digest@verdicts.example>",
    "ON_UNKNOWN": "hold",
    "SEND_CONNECTIONS": "32",  # for all senders together; a killed sender's connection counts until its lease lapses
}


@dataclass
class Reckoning:
    """What became of a digest's letters according to the deliveries and to the mail server's record."""

    letters: int
    states: dict[str, int]
    lost: list[str]
    doubled: dict[str, int]

    @property
    def unknown(self) -> int:
        return self.states.get("unknown", 0)

    def assert_exact(self, most_unknown: int) -> None:
        assert not self.lost, f"lost: {self.lost[:5]} of {len(self.lost)}"
        assert not self.doubled, f"doubled: {self.doubled}"
        assert set(self.states) <= {"sent", "unknown"}, self.states
        assert self.unknown <= most_unknown, f"{self.unknown} unknown, {most_unknown} allowed"


class Watcher:
    """A thread that queries the digest's account five times a second and records every one whose numbers disagree."""

    def __init__(self) -> None:
        self.samples, self.faults = 0, list[str]()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        try:
            while not self._ended.wait(0.2):
                with self._unless_away():
                    self._look()
            self._look()  # at least once, even if the test was very short
        except Exception as error:  # otherwise the thread would die unnoticed and check nothing more
            self.faults.append(f"the account could not be asked: {error!r}")

    @contextmanager
    def _unless_away(self) -> Iterator[None]:
        """A test may shut the database down, and has to start it again before its end."""
        try:
            yield
        except OperationalError as error:
            if not refusal(error):
                raise

    def _look(self) -> None:
        with reading(snapshot=True) as session:
            for digest in digests.listed(session, ("frozen", "sending", "paused", "finished"), limit=1):
                found = accounts.account(session, digest)
                self.samples += 1
                if not found.holds:
                    self.faults.append(f"{digest.slot}: {found}")

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def assert_held(self, since: int = 0) -> None:
        """Assert that the account's numbers agreed each time, and that it was queried more than `since` times."""
        assert not self.faults, self.faults[:3]
        assert self.samples > since, "the account was never asked"


class Scene:
    """One newsletter under test: its database, mail server and child processes. It sends one digest after another."""

    def __init__(self, folder: Path, database: str, nursery: Nursery, **settings: str) -> None:
        self.folder = folder
        self.mail = MailServer(folder)
        self.environment = {
            "DATABASE_URL": database,
            "MAIL_URL": self.mail.url,
            "SECRET_KEY": "a key for tests",
            "CRASH_BATCH": "40",  # small claims, so that a few hundred letters need many of them
            **SETTINGS,
            **settings,
        }
        self.nursery = nursery
        self.watcher = Watcher()
        self.slot = ""
        self._week = 0

    def close(self) -> None:
        self.watcher.end()
        self.nursery.end_all()
        self.mail.kill()
        self.watcher.assert_held(since=0 if self.slot else -1)  # without a digest there is nothing to ask about

    def fork(self, role: str, stage: str | None = None, passing: int = 1, **more: str) -> Child:
        """A process of this newsletter, in that role; it waits at the n-th passing of a stage if one is named."""
        return self.nursery.fork(role, self.environment | more, stage, passing)

    def senders_killed_at(self, stages: Mapping[str, int]) -> Iterator[str]:
        """Kill a sender at each of these stages, at the n-th passing; yields the stage each time."""
        for stage, passing in stages.items():
            sender = self.fork("send", stage, passing)
            sender.wait_for_stage()
            sender.kill()
            yield stage

    @property
    def on_postgresql(self) -> bool:
        return self.environment["DATABASE_URL"].startswith("postgresql")

    def readers(self, number: int, first: int = 0) -> None:
        """Add this many confirmed subscribers, numbered from `first` on."""
        now = datetime.now(UTC)
        rows = [
            {"address": f"reader-{each}@reader.example", "address_key": f"reader-{each}@reader.example",
             "state": "active", "created_at": now, "confirmed_at": now, "joined": 0}
            for each in range(first, first + number)
        ]  # fmt: skip
        with writing() as session:
            session.execute(insert(Subscriber), rows)

    def freeze(self, padding: int = 2000) -> None:
        """Create and freeze the next slot's digest, which is not addressed yet; its text has about `padding` bytes."""
        self._week += 1
        self.slot = f"{2026 + self._week // 52}-W{self._week % 52 + 1:02}"
        now = datetime.now(UTC)
        marks = f"{mark('VOTE')} {mark('SINCE')} {mark('UNSUBSCRIBE')} {mark('PREFERENCES')}"
        text = f"Vote and leave: {marks}\n" + "All that was compared this week. " * (padding // 33)
        self.mail.record.write_text("")
        with writing() as session:
            taken = audiences.count_audience(session, now)
            digest = digests.open_slot(session, self.slot, now, now)
            digests.freeze(
                session, digest, [], content={}, subject=f"The week {self.slot}", preheader="p",
                html=f"<p>{marks}</p>", text=text, cutoff=now, frozen_at=now, freeze=taken.number,
                audience=taken.audience,
            )  # fmt: skip

    def address(self) -> None:
        with writing() as session:
            digest = digests.get(session, self.slot)
            while addressing.address(session, digest, datetime.now(UTC)):
                pass
            digests.begin(session, digest)

    # ---- questions ---------------------------------------------------------------------------------------

    def digest(self) -> Digest:
        with reading() as session:
            return digests.get(session, self.slot)

    def account(self) -> Account:
        with reading(snapshot=True) as session:
            return accounts.account(session, digests.get(session, self.slot))

    def owed(self) -> int:
        states = self.account().states
        return states["pending"] + states["sending"] + states["deferred"]

    def done(self) -> bool:
        """Whether everybody is addressed and no letter is owed any more."""
        return self.digest().state in ("sending", "finished") and not self.owed()

    def wait_until_nothing_is_owed(self, patience: float = PATIENCE) -> None:
        until(self.done, "the last letter", patience)

    def reckon(self) -> Reckoning:
        """Compare the deliveries with the mail server's record. A letter is lost if its reader is in the audience but
        it was neither accepted nor is unknown; doubled if it was accepted more than once."""
        taken = Counter(to for to, _ in self.mail.letters())
        with reading(snapshot=True) as session:
            digest = digests.get(session, self.slot)
            about = Delivery.letter == "digest", Delivery.about == digest.id
            states = dict(session.execute(select(Delivery.person, Delivery.state).where(*about)).all())
            active = select(Subscriber.id, Subscriber.address).where(Subscriber.state == "active")
            audience = session.execute(active).all()
        lost = [
            address or ""
            for number, address in audience
            if states.get(f"subscriber:{number}") != "unknown" and not taken[address or ""]
        ]
        doubled = {to: number for to, number in taken.items() if number > 1}
        return Reckoning(len(states), dict(Counter(states.values())), lost, doubled)
