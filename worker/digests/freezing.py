"""Freezes a digest: what it says and whom it is for are stored at one moment, and neither changes afterwards."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy.orm import Session

from db.digests import archive, catalog, digests
from db.digests.digests import Digest
from db.settings import settings
from db.subscribers import audiences
from db.votes import tallies
from emails import letters
from emails.letters import Letter
from emails.messages.encoded_bodies import EncodedBodies
from worker.digests import digest_content
from worker.letters.composing import site


def freeze(session: Session, digest: Digest, now: datetime) -> None:
    """Store the content and the audience's size in one transaction. Without a new comparison or an audience, record the
    slot as skipped; its comparisons stay free for the next digest.

    1. Count the audience. 2. Fold every dirty vote on these tools and last week's. 3. Gather the content. 4. Render it,
    once. 5. Store.
    """
    compared = archive.new(session, now)
    if not compared:
        digests.end(digest, "skipped", "no comparison is new", now)
        return
    claimed = audiences.count_audience(session, now)
    if not claimed.audience:
        digests.end(digest, "skipped", "nobody has subscribed", now)
        return
    _, last = digest_content.last_led(session, digest, now)
    tools = digest_content.tool_ids([*compared, last] if last else compared)
    while tallies.fold(session, now, tools):
        pass
    content = digest_content.content(session, digest, compared, now)
    letter = letters.digest(content, site(settings()))
    digests.freeze(
        session, digest, [comparison.id for comparison in compared],
        content=content.as_json(), cutoff=now, frozen_at=now, freeze=claimed.number, audience=claimed.audience,
        addressed_to=0, finished_at=None, tool_ids=catalog.tool_ids(session, content.tool_slugs), **_bodies(letter),
    )  # fmt: skip


def _bodies(letter: Letter) -> dict[str, str | bytes]:
    """The letter encoded as it will be sent, and as somebody without votes gets it: previews show that, and senders of
    releases before 0.6.0 send it to everybody."""
    encoded, letter = EncodedBodies.of(letter).kept(), letter.chosen()
    return {
        "encoded": encoded,
        "subject": letter.subject,
        "preheader": letter.preheader,
        "html": letter.html,
        "text": letter.text,
        "html_sha256": sha256(letter.html.encode()).hexdigest(),
        "text_sha256": sha256(letter.text.encode()).hexdigest(),
        "renderer": letters.renderer(),
    }
