"""One real week: an editor imports, readers vote and subscribe, the digest goes out, a letter is answered."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from db.jobs.events import SubscriptionRequested
from db.session import reading
from db.subscribers import subscribers
from db.votes.tallies import Tally
from web.app import create_app
from web.cli import main
from worker import votes
from worker.digests import weekly_run
from worker.jobs import jobs
from worker.jobs.reactions import REACTIONS
from worker.sending import send_slice

CONTENT = """
reviewers:
  - {name: The Builder, lens: "Does it hold up?"}
  - {name: The Skeptic, lens: "Where does it break?"}
tools:
  - slug: larkspur
    name: Larkspur
    category: Developer Tools
    tagline: A reviewer that has read the whole repository
    entry: Freemium
    url: https://larkspur.example
    summary: It indexes a repository and comments on each pull request.
    reviews:
      - {reviewer: The Builder, verdict: ship, quote: It flagged a caller three packages away.}
      - {reviewer: The Skeptic, verdict: skip, quote: The index is a night old by design.}
  - slug: second-pair
    name: Second Pair
    category: Developer Tools
    tagline: Pairs with you while you type
    entry: Paid
    url: https://second-pair.example
    summary: It sits in the editor and argues while a change is still cheap.
    reviews:
      - {reviewer: The Builder, verdict: ship, quote: My pull requests got smaller.}
comparisons:
  - tools: [larkspur, second-pair]
    question: Which one would you still have switched on in three months?
"""


class Week:
    """The newsletter with its queue drained by hand: web, workers and a Maildir."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.browser: FlaskClient = create_app().test_client()

    def run(self, *words: str) -> str:
        """Type a command; what it prints."""
        done = CliRunner().invoke(main, list(words))
        assert done.exit_code == 0, done.output
        return done.output

    def drain(self) -> None:
        """Let the workers do what they owe."""
        votes.fold()
        jobs.work()
        weekly_run.tick()
        send_slice.recover()
        send_slice.run_slice(time.monotonic() + 60)
        weekly_run.tick()

    def letters(self, kind: str) -> list[EmailMessage]:
        files = sorted((self.folder / "var/outbox/new").glob(f"{kind}-*"))
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]

    def link(self, letter: EmailMessage, door: str) -> str:
        """The first link of a letter that leads to that door, as a path."""
        text = letter.get_body(("plain",)).get_content()
        found = re.search(rf"http://localhost:8000(/{door}/\S+)", text)
        assert found, f"no link to {door} in:\n{text}"
        return found[1]

    def subscribe(self, address: str) -> None:
        """Fill in the form, open the letter, press its button."""
        answer = self.browser.post("/subscribe", data={"email": address})
        assert answer.status_code in (200, 303)
        self.drain()
        letter = next(each for each in self.letters("confirm") if each["To"] == address)
        assert self.browser.post(self.link(letter, "confirm")).status_code == 200
        self.drain()


@pytest.fixture
def week(database, house) -> Week:
    (house / "content.yaml").write_text(CONTENT)
    week = Week(house)
    week.run("import", "content.yaml")
    return week


def slot() -> str:
    return f"{datetime.now(UTC):%G-W%V}"


def state_of(address: str) -> str:
    with reading() as session:
        found = subscribers.by_address(session, address)
        return found.state if found else "unknown here"


def test_a_comparison_travels_from_a_file_to_a_page_to_a_letter(week, cast):
    page = week.browser.get("/compare/larkspur-vs-second-pair").text
    assert "50%" in page.replace("<small>", "").replace("</small>", "")
    assert "It flagged a caller three packages away." in page

    week.browser.post("/tools/larkspur/vote", data={"choice": "ship"})
    assert "you said ship" in week.browser.get("/compare/larkspur-vs-second-pair").text

    week.subscribe(cast.alice)
    assert state_of(cast.alice) == "active"
    assert [each["To"] for each in week.letters("welcome")] == [cast.alice]

    assert slot() in week.run("digest", "send")
    week.drain()
    [letter] = week.letters("digest")
    assert letter["To"] == cast.alice
    text, html = (letter.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for body in (text, html):
        assert "Larkspur" in body
        assert "Second Pair" in body
        assert "100%" in re.sub(r"<[^>]+>", "", body)
        assert "It flagged a caller three packages away." in body
    assert week.run("digest", "show", slot()).startswith("state: finished\n")
    assert "✓ Totals match" in week.run("digest", "check", slot())
    assert week.browser.get(f"/digests/{slot()}").status_code == 200
    assert f"digest {slot()}: sent" in week.run("deliveries", "explain", cast.alice)


def test_the_letter_votes_only_when_a_person_presses_the_button(week, cast):
    week.subscribe(cast.alice)
    week.run("digest", "send")
    week.drain()
    [letter] = week.letters("digest")
    link = week.link(letter, "vote")
    scanner = create_app().test_client()
    for _ in range(3):
        assert scanner.get(link).status_code == 200
        assert scanner.head(link).status_code == 200
    assert '"unfolded": 0' in week.run("votes", "check", "--json")
    before = week.browser.get("/tools/larkspur").text
    assert "No votes yet" in before
    path, _, query = link.partition("?")
    given = dict(part.split("=") for part in query.split("&"))
    assert scanner.post(f"{path}?{query}", data=given).status_code in (200, 303)
    week.drain()
    assert "1 ship" in re.sub(r"<[^>]+>", "", week.browser.get(f"/tools/{given['tool']}").text)


def test_one_click_leaves_at_once_and_the_next_digest_does_not_come(week, cast):
    week.subscribe(cast.alice)
    week.subscribe(cast.bob)
    week.run("digest", "send")
    bobs = next(each for each in week.letters("welcome") if each["To"] == cast.bob)
    unsubscribe = re.search(r"<http://localhost:8000(/unsubscribe/[^>]+)>", bobs["List-Unsubscribe"])[1]
    stranger = create_app().test_client()
    stranger.get(unsubscribe)
    stranger.head(unsubscribe)
    assert state_of(cast.bob) == "active"
    answer = stranger.post(unsubscribe, data={"List-Unsubscribe": "One-Click"})
    assert (answer.status_code, answer.headers.get("Set-Cookie")) == (200, None)
    assert state_of(cast.bob) == "unsubscribed"
    assert stranger.post(unsubscribe, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    week.drain()
    assert [each["To"] for each in week.letters("digest")] == [cast.alice]
    assert "skipped, unsubscribed" in week.run("deliveries", "explain", cast.bob)
    assert "✓ Totals match" in week.run("digest", "check", slot())


def test_the_votes_of_a_browser_become_the_subscribers(week, cast):
    week.browser.post("/tools/larkspur/vote", data={"choice": "skip"})
    week.subscribe(cast.alice)
    assert "you said skip" in week.browser.get("/compare/larkspur-vs-second-pair").text
    with reading() as session:
        kinds = {row.kind: row.skip for row in session.query(Tally)}
    assert kinds == {"anonymous": 0, "subscriber": 1}
    assert "✓ The tallies hold" in week.run("votes", "check")


def test_an_editor_previews_tests_holds_and_releases(week, cast, house):
    week.subscribe(cast.alice)
    assert "draft of 1 comparison" in week.run("digest", "assemble")
    week.run("digest", "preview", slot(), "--out", "preview")
    assert "Larkspur" in (house / "preview" / f"{slot()}.html").read_text()
    week.run("digest", "test", slot(), cast.dana)
    week.run("digest", "hold", slot())
    refused = CliRunner().invoke(main, ["digest", "send", slot()])
    assert refused.exit_code == 1
    assert "release it first" in refused.output
    week.drain()
    [letter] = week.letters("test")
    assert (letter["To"], letter["Subject"].startswith("[Test] ")) == (cast.dana, True)
    assert week.letters("digest") == []
    week.run("digest", "release", slot())
    week.run("digest", "send", slot())
    week.drain()
    assert len(week.letters("digest")) == 1
    assert "has gone already" in week.run("digest", "send", slot())


def test_a_failed_job_is_seen_mended_and_retried_by_command(week, cast, monkeypatch):
    mended: tuple[Callable, ...] = REACTIONS[SubscriptionRequested]

    def broken(session, event, now):
        raise RuntimeError("the template is missing")

    monkeypatch.setitem(REACTIONS, SubscriptionRequested, (broken,))
    week.browser.post("/subscribe", data={"email": cast.alice})
    week.drain()
    assert week.letters("confirm") == []
    assert "the template is missing" in week.run("jobs", "list")
    number = re.search(r"^(\d+) ", week.run("jobs", "list"), re.M)[1]
    shown = week.run("jobs", "show", number)
    assert "Traceback" in shown
    assert "in broken" in shown
    monkeypatch.setitem(REACTIONS, SubscriptionRequested, mended)
    assert "owed again" in week.run("jobs", "retry", number)
    week.drain()
    assert [each["To"] for each in week.letters("confirm")] == [cast.alice]
    assert "No job has failed." in week.run("jobs", "list")
    assert "succeeded" in week.run("jobs", "show", number)
