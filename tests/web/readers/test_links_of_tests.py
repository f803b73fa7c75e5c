"""The links of a test letter, or of a preview, open pages that say so, and change nothing for anybody."""

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from db.deliveries.claiming.admission import ClaimedLetter
from db.deliveries.deliveries import Delivery
from db.digests import schedule
from db.operators.audit import Actor
from db.session import reading
from db.settings import settings
from emails import links
from tests.conftest import load_catalogue
from tests.house.test_asking import contents
from web.actions.digests import digest_tests
from web.cli import main
from worker.digests import digest_previews
from worker.letters.composing import composer, sample

NOW = datetime.now(UTC)
LINK = re.compile(r"/(?:vote|unsubscribe|confirm|preferences)/[A-Za-z0-9_-]{40}[^\s\">]*")


@pytest.fixture
def slot(database) -> str:
    load_catalogue(published=NOW - timedelta(days=1))
    return schedule.of_digests().slot_of(NOW)


def paths(message: bytes) -> set[str]:
    """The links in both bodies and in the List-Unsubscribe header, without the host."""
    read = message_from_bytes(message, policy=policy.default)
    bodies = [read.get_body((kind,)).get_content() for kind in ("plain", "html")]
    text = " ".join([*bodies, read.get("List-Unsubscribe", "")])
    return {path.replace("&amp;", "&") for path in LINK.findall(text)}


def test_of(slot: str, address: str) -> bytes:
    """The message of a test letter, as the sender composes it."""
    digest_tests.send_test(Actor("command: tester"), slot, address, NOW)
    with reading() as session:
        owed = session.query(Delivery).filter(Delivery.letter == "test").one()
        claimed = ClaimedLetter(owed.id, "test", owed.about, owed.person, address, 0, NOW, None, (), NOW, NOW)
        return composer(session, "test", owed.about).write(claimed).message


test_of.__test__ = False  # type: ignore[attr-defined]


def check(client, opened: set[str]) -> None:
    """Open every link, and press its button or its one-click unsubscribe: each says that it was a test."""
    assert {path.split("/")[1] for path in opened} == {"vote", "unsubscribe"}
    before = contents()
    for path in opened:
        for answer in (client.get(path), client.post(path), client.post(path, data={"List-Unsubscribe": "One-Click"})):
            assert answer.status_code == 200, path
            assert "This was a test" in answer.text
            assert "Nothing was changed." in answer.text
            assert "Done" not in answer.text
            assert "unsubscribed" not in answer.text
    assert contents() == before


def test_a_test_letters_links_change_nothing_for_the_subscriber_who_got_it(client, slot, active, state, cast):
    active(cast.alice)
    check(client, paths(test_of(slot, cast.alice)))
    assert state(cast.alice) == "active"


def test_a_previews_links_say_that_it_was_a_preview(client, slot, active, cast):
    active(cast.alice)
    check(client, paths(sample(digest_previews.draft_letter(slot, NOW))))


def test_the_links_of_a_preview_in_files_do_so_too(client, slot, active, cast, house):
    active(cast.alice)
    done = CliRunner().invoke(main, ["digest", "preview", slot, "--out", "seen"])
    assert done.exit_code == 0, done.output
    written = "".join((house / "seen" / f"{slot}.{kind}").read_text() for kind in ("html", "txt"))
    check(client, {path.replace("&amp;", "&") for path in LINK.findall(written)})


@pytest.mark.parametrize("purpose", ["confirm", "unsubscribe", "vote"])
def test_a_test_from_before_this_release_is_known_by_its_links(client, catalogue, purpose):
    """They name nobody, as those of test letters always did, and stay as long as ever."""
    path = f"/{purpose}/{links.sign(settings().keys, purpose, 0, 4711)}"
    assert len(urlsplit(path).path.rpartition("/")[2]) == links.LENGTH
    for answer in (client.get(path), client.post(path)):
        assert (answer.status_code, "This was a test" in answer.text) == (200, True)


def test_a_readers_own_links_still_do_what_they_say(client, catalogue, active, link, state, cast):
    alice = active(cast.alice)
    assert "Unsubscribe from the weekly letter?" in client.get(link("unsubscribe", alice)).text
    assert "This was a test" not in client.post(link("unsubscribe", alice)).text
    assert state(cast.alice) == "unsubscribed"
