"""Readers who vote and subscribe over HTTP and remember the answers, while a test kills the web processes."""

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from sqlalchemy import select

from db.digests.catalog import Tool
from db.session import reading
from db.settings import settings
from db.subscribers.subscribers import Consent
from db.votes import tallies
from db.votes.votes import Vote
from emails.links import sign_voter

Said = tuple[str, str]
"""A voter and a tool's slug."""
READERS = 4
_SECONDS = 5.0
"""How long a reader waits for an answer."""


class Readers:
    """Four threads that send requests: two give up a request without an answer, two repeat it until it gets one.

    `may` holds each choice that the database may have for a vote: the last one that was answered, and those sent since
    without an answer (None stands for no vote). `subscribed` says for each address whether a request was answered.
    """

    def __init__(
        self,
        port: int,
        tools: Sequence[str],
        hosts: Sequence[str] = ("127.0.0.1",),
        pause: float = 0.005,
        patience: float = 0.05,
    ) -> None:
        """Each reader asks one of the hosts, pauses that many seconds between two turns, and waits `patience` seconds
        before a request is repeated."""
        self.may: dict[Said, set[str | None]] = {}
        self.subscribed: dict[str, bool] = {}
        self.faults: list[str] = []
        self.answered = self.unanswered = 0
        self._port, self._tools, self._hosts, self._pause = port, tools, hosts, pause
        self._patience = patience
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._asks = threading.local()
        self._turns = [0] * READERS
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Readers":
        """It may be entered again, and goes on with other voters."""
        self._ended.clear()
        self._threads = [threading.Thread(target=self._read, args=(each,), daemon=True) for each in range(READERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _read(self, number: int) -> None:
        again = number % 2 == 0
        self._asks.host = self._hosts[number % len(self._hosts)]
        while not self._ended.wait(self._pause):
            self._turns[number] += 1
            turn = self._turns[number]
            said = f"anonymous:reader-{number}-{turn}", self._tools[turn % len(self._tools)]
            if self._until_answered(again, self._vote, said, "ship" if turn % 3 else "skip") and turn % 4 == 0:
                self._until_answered(again, self._vote, said, "skip" if turn % 3 else "ship")
            if turn % 8 == 0:
                self._until_answered(again, self._subscribe, f"new-{number}-{turn}@reader.example")

    def _until_answered(self, again: bool, ask: Callable[..., bool], *given: object) -> bool:
        while not (answered := ask(*given)) and again and not self._ended.wait(self._patience):
            pass
        return answered

    def _vote(self, said: Said, choice: str) -> bool:
        voter, tool = said
        self.may.setdefault(said, {None}).add(choice)
        cookie = sign_voter(settings().keys, voter)
        answered = self._post(f"/tools/{tool}/vote", {"choice": choice}, {"Cookie": f"voter={cookie}"}, 303)
        if answered:
            self.may[said] = {choice}
        return answered

    def _subscribe(self, address: str) -> bool:
        self.subscribed.setdefault(address, False)
        answered = self._post("/subscribe", {"email": address}, {}, 200)
        self.subscribed[address] |= answered
        return answered

    def _post(self, path: str, form: dict[str, str], headers: dict[str, str], success: int) -> bool:
        asked = http.client.HTTPConnection(self._asks.host, self._port, timeout=_SECONDS)
        try:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            asked.request("POST", path, urlencode(form), headers | kind)
            answer = asked.getresponse()
            answer.read()
            answered = answer.status == success
            if not answered and answer.status != 503:
                self.faults.append(f"{path} was answered {answer.status}")
        except ConnectionRefusedError:
            return False  # no process listened, so the request cannot have had an effect
        except (OSError, http.client.HTTPException):
            answered = False
        finally:
            asked.close()
        with self._lock:
            self.answered += answered
            self.unanswered += not answered
        return answered

    # ---- what was kept -----------------------------------------------------------------------------------

    def lost(self) -> list[object]:
        """Votes whose choice in the database is none of those allowed, and answered sign-ups that are not stored."""
        with reading() as session:
            cast = select(Vote.voter, Tool.slug, Vote.choice).join(Tool, Tool.id == Vote.tool_id)
            stand = {(voter, slug): choice for voter, slug, choice in session.execute(cast)}
            kept = set(session.scalars(select(Consent.address).where(Consent.what == "asked")))
        astray = [said for said, may in self.may.items() if stand.get(said) not in may]
        return [*astray, *(stand.keys() - self.may.keys()), *(self.told() - kept)]

    def told(self) -> set[str]:
        """The addresses whose sign-up was answered, so that their readers expect a confirmation email."""
        return {address for address, answered in self.subscribed.items() if answered}


def proof() -> tallies.Proof:
    with reading(snapshot=True) as session:
        return tallies.check(session)


def counted_twice() -> int:
    """The difference between the sum of all tallies and the number of votes for ship or skip."""
    with reading(snapshot=True) as session:
        choices = Counter(session.scalars(select(Vote.choice)))
        tools = list(session.scalars(select(Tool.id)))
        counted = sum(each.ship + each.skip for each in tallies.figures(session, tools).values())
    return abs(counted - choices["ship"] - choices["skip"])
