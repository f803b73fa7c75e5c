"""What stands between the worker and its mail server in these tests."""

import pytest

from db.persons import person_of
from db.session import writing
from db.votes import votes
from emails import letters
from emails.letter import OwnVote
from tests import erasing
from tests.transports import Transport
from tests.worker.digests.test_digests import join
from worker import tasks
from worker.jobs import jobs as worker_jobs
from worker.sending import mail_connections, send_slice


@pytest.fixture
def door(database, clock, setting, monkeypatch) -> Transport:
    setting(MAIL_URL="smtp://relay.example:25", MAIL_FROM="Verdicts <digest@verdicts.example>")
    made = Transport()
    monkeypatch.setattr(mail_connections, "transport_of", lambda config: made)
    monkeypatch.setattr(mail_connections, "_kept", {})
    monkeypatch.setattr(send_slice, "_histories", {})
    monkeypatch.setattr(send_slice, "_paces", {})
    return made


@pytest.fixture
def zelda(database, clock, house, setting) -> None:
    """Zelda signs up and gets her letter, into a Maildir."""
    setting(MAIL_URL="maildir:outbox")
    erasing.sign_up()
    worker_jobs.work()
    tasks.send_unless_paused()


# ---- own votes in letters -------------------------------------------------------------------------------------


def own(tool: int, said: str) -> str:
    return str(OwnVote(tool, f"You said ship {said}.", f"You said skip {said}.", f"Not yet {said}."))


@pytest.fixture
def asking(monkeypatch) -> None:
    """Digests that tell each reader what they said of the first two tools."""
    made = letters.digest

    def digest(*given) -> letters.Letter:
        letter = made(*given)
        return letters.Letter(
            letter.kind, letter.subject, letter.preheader,
            letter.html.replace("</body>", f"<p>{own(0, 'to one')} {own(1, 'to two')}</p></body>"),
            f"{own(0, 'to one')} {own(1, 'to two')}\n{letter.text}", letter.about,
        )  # fmt: skip

    monkeypatch.setattr(letters, "digest", digest)


@pytest.fixture
def votes_of(catalogue, cast, clock) -> dict[str, str]:
    """Three readers as voters: Alice said ship to one and skip to two; Bob ship to two, and took back a vote on one;
    Charlie has voted on another tool."""
    first, second = catalogue.quillmate, catalogue.inkwell
    persons = {who: person_of(join(getattr(cast, who), clock.now)) for who in ("alice", "bob", "charlie")}
    with writing() as session:
        votes.cast(session, persons["alice"], first, "ship", clock.now)
        votes.cast(session, persons["alice"], second, "skip", clock.now)
        votes.cast(session, persons["bob"], first, "skip", clock.now)
        votes.cast(session, persons["bob"], second, "ship", clock.now)
        votes.withdraw(session, persons["bob"], first, clock.now)
        votes.cast(session, persons["charlie"], catalogue.patchbay, "ship", clock.now)
    return persons
