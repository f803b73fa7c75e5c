"""A drill: the mail server and a reaction break, jobs die, an operator mends it all from the console; nothing is owed.

The mail server is real, the clock is moved by hand, and the worker's functions are called as the clock rings for them.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count

import pytest
from sqlalchemy import func, select

from db.deliveries import accounts
from db.deliveries.deliveries import Delivery
from db.deliveries.limits import breakers
from db.digests import digests
from db.jobs.events import SubscriptionRequested
from db.jobs.jobs import Job
from db.monitoring import alerts
from db.monitoring.alerts import Alert
from db.operators.audit import AuditEntry
from db.session import reading
from tests import operators
from tests.conftest import Clock
from tests.emails.scripted_smtp import HANG_UP, ScriptedServer
from tests.operators import Console
from web.app import create_app
from web.operator.frame.cached import Cached
from worker import tasks
from worker.alerts import alerts as alarm
from worker.digests import weekly_run as run
from worker.jobs import jobs, reactions
from worker.sending import mail_connections, send_slice

SLOT = "2026-W47"
OPERATOR = "olga@newsroom.example"
READERS = [f"{name}@{name}.example" for name in ("alice", "bob", "carol", "dan", "eve", "frank", "grace")]
BEFORE, BROKEN = READERS[:2], READERS[2:]
DOWN = "421 4.3.2 the machine is on fire"
WHY = "the mail server refuses everybody"


class Newsroom:
    """The site, its workers and its mail server, with an operator at the console."""

    def __init__(self, clock: Clock, server: ScriptedServer) -> None:
        self.clock, self.server = clock, server
        self.app = create_app()
        self.reader = self.app.test_client()
        self.app.test_client_class = Console
        self.console: Console = self.app.test_client()

    def ring(self) -> None:
        """All that the clock rings for, once."""
        jobs.work()
        run.tick()
        tasks.send_unless_paused()
        run.tick()
        alarm.watch()

    def pass_time(self, minutes: int, step: int = 2) -> None:
        for _ in range(0, minutes, step):
            self.clock.forward(minutes=step)
            self.ring()

    def subscribe(self, address: str) -> None:
        assert self.reader.post("/subscribe", data={"email": address}).status_code == 200

    def letters(self) -> list[EmailMessage]:
        return [message_from_bytes(each, policy=policy.default) for each in self.server.letters]

    def mailbox(self) -> Counter[tuple[str, str]]:
        """How many letters of each kind each address has; the kind stands in the Message-ID."""
        return Counter((each["To"], each["Message-ID"][1:].split(".")[0]) for each in self.letters())

    def confirm(self) -> None:
        """Each reader opens the confirm letter and presses its button."""
        for letter in self.letters():
            found = re.search(r"http://localhost:8000(/confirm/\S+)", letter.get_body(("plain",)).get_content())
            if found:
                assert self.reader.post(found[1]).status_code == 200

    def sign_in(self) -> None:
        self.console.delete_cookie("operator", path="/operator")
        assert self.console.sign_in(OPERATOR).status_code == 303

    def order(self, path: str, data: dict | None = None, **more: str) -> str:
        """Press a button that asks first, then the button of its page; what the console says was done."""
        done = self.console.agree(self.console.press(path, data), **more)
        assert done.status_code == 303, done.text
        return self.told(done.headers["Location"])

    def told(self, path: str) -> str:
        return " ".join(re.findall(r'role="status">([^<]+)<', self.console.get(path).text))


@pytest.fixture
def newsroom(catalogue, clock, setting, monkeypatch) -> Iterator[Newsroom]:
    clock.set(datetime(2026, 11, 17, 4, 0, tzinfo=UTC))
    operators.hash_quickly(monkeypatch)
    monkeypatch.setattr(Cached, "patience", 30.0)  # a page leaves out numbers that take longer to count
    operators.put(OPERATOR, "operator")
    monkeypatch.setattr(mail_connections, "_kept", {})
    monkeypatch.setattr(send_slice, "_histories", {})
    monkeypatch.setattr(send_slice, "_paces", {})
    # Without pipelining each letter is begun after the answer to the one before, so a script can name them.
    with ScriptedServer({"EHLO": "250-mail.example\n250 ENHANCEDSTATUSCODES"}) as server:
        setting(MAIL_URL=f"smtp://127.0.0.1:{server.port}", MAIL_FROM="Verdicts <digest@verdicts.example>")
        yield Newsroom(clock, server)


@pytest.fixture
def reaction() -> Iterator[pytest.MonkeyPatch]:
    """What breaks the reaction to sign-ups, and mends it by `undo()`."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


_rows = count(1)


def broken(session, event, now):
    raise RuntimeError(f"row {next(_rows)} of the template is missing")


def by_state(of: type) -> dict[str, int]:
    with reading() as session:
        return {state: number for state, number in session.execute(select(of.state, func.count()).group_by(of.state))}  # noqa: C416


def sign_ups() -> dict[str, int]:
    """The jobs of sign-ups by state; the other events have jobs too."""
    with reading() as session:
        kind = Job.kind == SubscriptionRequested.__name__
        query = select(Job.state, func.count()).where(kind).group_by(Job.state)
        return {state: number for state, number in session.execute(query)}  # noqa: C416


def audited() -> list[tuple[str, str]]:
    with reading() as session:
        kept = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(each.action, each.actor) for each in kept if not each.action.startswith("login")]


@pytest.mark.once  # what it asks of the database, tests/web/operator and tests/db ask of both kinds
def test_all_that_broke_is_mended_from_the_console_and_nothing_is_owed(newsroom, reaction):
    _break_everything(newsroom, reaction)
    _look_and_pause(newsroom)
    newsroom.server.script.pop("greeting")
    reaction.undo()
    newsroom.ring()
    assert newsroom.server.letters == []  # mended, but mail is paused
    _resume_and_retry(newsroom)
    newsroom.confirm()
    newsroom.pass_time(4)
    assert newsroom.mailbox() >= Counter({(who, kind): 1 for who in READERS for kind in ("confirm", "welcome")})
    _send_the_digest(newsroom)
    _nothing_is_owed(newsroom)


def _break_everything(newsroom: Newsroom, reaction: pytest.MonkeyPatch) -> None:
    """Two sign-ups find the mail server down; for the others even the reaction is broken, until their jobs are dead."""
    newsroom.server.script["greeting"] = DOWN
    for address in BEFORE:
        newsroom.subscribe(address)
    newsroom.ring()
    reaction.setitem(reactions.REACTIONS, SubscriptionRequested, (broken,))
    for address in BROKEN:
        newsroom.subscribe(address)
    newsroom.pass_time(10)
    assert by_state(Job)["pending"] == len(BROKEN)  # tried, and waiting for another attempt
    newsroom.pass_time(250, step=10)
    assert sign_ups() == {"succeeded": len(BEFORE), "dead": len(BROKEN)}
    with reading() as session:
        assert breakers.open_breakers(session)[0].reply == DOWN
        dead = session.scalars(select(Job).where(Job.state == "dead")).all()
        owed = session.scalars(select(Delivery).where(Delivery.letter == "alert")).all()
        opened = {alert.kind for alert in alerts.standing(session)}
    assert {job.attempt for job in dead} == {6}
    assert {"breaker", "failures"} <= opened
    assert {each.state for each in owed} == {"pending"}
    assert newsroom.server.letters == []


def _look_and_pause(newsroom: Newsroom) -> None:
    newsroom.sign_in()
    overview = newsroom.console.get("/operator").text
    assert "of SubscriptionRequested failed for good" in overview
    assert "The mail server has refused everybody" in overview
    page = newsroom.console.get("/operator/jobs").text
    assert "5 jobs in 1 group" in page  # whatever number stands in each message
    number = re.search(r'href="/operator/jobs/(\d+)"', newsroom.console.get("/operator/jobs?list=yes").text)[1]
    job = newsroom.console.get(f"/operator/jobs/{number}").text
    assert job.count("Traceback (most recent call last)") == 6
    assert "in broken" in job
    assert newsroom.order("/operator/queues/mail/pause", note=WHY) == "Queue “mail” is paused."
    assert f"“{WHY}”" in newsroom.console.get("/operator/digests").text


def _resume_and_retry(newsroom: Newsroom) -> None:
    """The five are released one in ten seconds."""
    assert newsroom.order("/operator/queues/mail/resume") == "Queue “mail” goes on."
    every = {"state": "dead", "all": "yes"}
    asked = newsroom.console.press("/operator/jobs/retry", every)
    assert "Retry 5 jobs?" in asked.text
    assert "5 jobs are owed again." in newsroom.order("/operator/jobs/retry", every, rate="0.1")
    jobs.work()
    assert sign_ups() == {"succeeded": 3, "pending": 4}
    newsroom.clock.forward(seconds=41)
    newsroom.ring()
    assert sign_ups() == {"succeeded": len(BEFORE) + len(BROKEN)}
    newsroom.pass_time(10)  # the breaker lets the first one through, and closes
    with reading() as session:
        assert breakers.open_breakers(session) == []


def _send_the_digest(newsroom: Newsroom) -> None:
    """Two letters are deferred; after two final dots the server hangs up, so that nobody knows but who has its log."""
    greylisted = "450 4.2.0 greylisted, come back later"
    newsroom.server.script |= {
        "RCPT": [greylisted, greylisted, "250 2.1.5 Ok"],
        "dot": [HANG_UP, HANG_UP, "250 2.0.0 Ok"],
    }
    newsroom.clock.set(datetime(2026, 11, 17, 9, 0, tzinfo=UTC))
    newsroom.ring()
    newsroom.sign_in()
    page = newsroom.console.get(f"/operator/digests/{SLOT}").text
    assert "✓ Totals match." in page
    assert "450 4.2.0 greylisted, come back later" in page
    assert {state: number for state, number in _account().states.items() if number} == {
        "deferred": 2, "unknown": 2, "sent": 3,
    }  # fmt: skip
    newsroom.pass_time(12)
    assert _account().states["deferred"] == 0
    assert _digest().state == "sending"  # two are in doubt
    assert "waits for a word on letters in doubt" in newsroom.console.get("/operator").text
    link = f"/operator/digests/{SLOT}/resolve?state=unknown&as=sent"
    done = newsroom.console.agree(newsroom.console.get(link), note="both stand in the server's log")
    assert newsroom.told(done.headers["Location"]) == "2 unknown letters are counted as sent."
    newsroom.pass_time(4)


def _nothing_is_owed(newsroom: Newsroom) -> None:
    assert by_state(Job).keys() == {"succeeded"}
    assert by_state(Delivery).keys() == {"sent"}
    assert _digest().state == "finished"
    assert _account().holds
    with reading() as session:
        assert alerts.standing(session) == []
        told = session.scalar(select(func.count()).select_from(Alert))
    orders = ("queue.pause", "queue.resume", "jobs.retry", "deliveries.resolve")
    assert audited() == [(order, OPERATOR) for order in orders]
    expected = Counter({(who, kind): 1 for who in READERS for kind in ("confirm", "welcome", "digest")})
    assert newsroom.mailbox() == expected + Counter({(OPERATOR, "alert"): told})


def _digest() -> digests.Digest:
    with reading() as session:
        return digests.get(session, SLOT)


def _account() -> accounts.Account:
    with reading() as session:
        return accounts.account(session, digests.get(session, SLOT))
