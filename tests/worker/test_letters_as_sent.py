"""Letters as they were sent: own votes as they were at addressing, bodies as they were frozen, and the Date."""

import pytest

from db.digests import digests
from db.session import reading
from emails import letters
from emails.letter import OwnVote
from tests.worker.test_digests import SLOT, join, send
from worker.letters import frozen_letter

pytestmark = pytest.mark.usefixtures("catalogue")


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


# ---- the freeze ----------------------------------------------------------------------------------------------


def test_a_digest_keeps_its_tools_in_frozen_order(clock, catalogue, cast):
    join(cast.alice, clock.now)
    found = send(SLOT, clock.now)
    assert found.tool_ids == [catalogue.quillmate, catalogue.inkwell]


def test_the_bodies_that_earlier_releases_send_hold_no_places(asking, clock, cast):
    join(cast.alice, clock.now)
    send(SLOT, clock.now)
    with reading() as session:
        letter = frozen_letter(digests.get(session, SLOT))
    for body in (letter.html, letter.text):
        assert "Not yet to one. Not yet to two." in body
        assert "{~own" not in body
        assert "{~VOTE~}" in body
