"""Voting through the links in a digest: they work for the tools in that digest, as long as its delivery is kept."""

import string
from typing import Any

from flask import Blueprint, Response, abort, request

from db import moments, persons
from db.deliveries import vote_links
from db.digests import catalog
from db.digests.catalog import Tool
from db.digests.digests import Digest
from db.rules import RETENTION, Choice
from db.session import Session, reading, writing
from db.subscribers import subscribers
from db.votes import tallies, votes
from emails.digest_content import DigestContent
from emails.links import BadLink, Signed
from web import visitor
from web.readers import mailed, vote_limits
from web.readers.votes import CHOICES, SLUG

blueprint = Blueprint("mailed_votes", __name__)

_COUNTS = "leads to the button that counts their vote"


@blueprint.get("/vote/<token>")
def ask_vote(token: str) -> Response:
    try:
        token, signed = mailed.read("vote", token)
    except BadLink:
        return mailed.bad_link("From your letter")
    if signed.is_test:
        return mailed.of_test("From your letter", _COUNTS)
    with reading() as session:
        tool, choice = _asked_for(session)
        digest = vote_links.digest_of(session, signed.delivery, persons.person_of(signed.subject))
        if digest is None or not _asks_about(digest, tool):
            return _not_from_a_letter(session, digest, tool)
        return _answer(session, token, signed, digest, tool, choice)


@blueprint.post("/vote/<token>")
def cast_vote(token: str) -> Response:
    visitor.refuse_strangers(private_page=True)
    try:
        token, signed = mailed.read("vote", token)
    except BadLink:
        return mailed.bad_link("From your letter")
    if signed.is_test:
        return mailed.of_test("From your letter", _COUNTS)
    person = persons.person_of(signed.subject)
    vote_limits.count_change(person)
    with writing() as session:
        tool, choice = _asked_for(session)
        digest = vote_links.digest_of(session, signed.delivery, person)
        if digest is None or not _asks_about(digest, tool):
            return _not_from_a_letter(session, digest, tool)
        if _may_vote(session, signed.subject):
            votes.cast(session, person, tool.id, choice, moments.now())
        return _answer(session, token, signed, digest, tool, choice)


def _asked_for(session: Session) -> tuple[Tool, Choice]:
    """The tool and the choice that the link names."""
    slug, choice = _told("tool"), _told("choice").rstrip(_TAKEN_IN)
    tool = catalog.tool(session, slug) if SLUG.fullmatch(slug) else None
    if tool is None:
        abort(_incomplete(404, "We don’t know the tool in this link"))
    if choice not in CHOICES:
        abort(_incomplete(400, "This link says neither ship nor skip", _page_of(session, tool), f"Vote on {tool.name}"))
    return tool, CHOICES[choice]


_TAKEN_IN = string.punctuation + string.whitespace + "\xa0\xad\u200b\u200c\u200d\u2026\u2019\u201d\ufeff\0"
"""What mail programs take for the end of a link when they make one out of plain text."""


def _told(name: str) -> str:
    """What the link says there. Some mail programs leave the `&amp;` of the page's source in it, or the `=3D` of the
    message's, where no slug and no choice begins with a capital."""
    return (request.values.get(name) or request.values.get(f"amp;{name}", "")).removeprefix("3D")


def _incomplete(status: int, why: str, onward: str = "/", words: str = "See the latest comparison") -> Response:
    """The answer to a link whose end was lost on the way."""
    problem = f"{why}, so no vote was counted. Open the email again and use its link, or copy the whole link."
    told = {"what": "From your letter", "title": "This link is incomplete", "problem": problem}
    return mailed.page(status, **told, onward=onward, onward_words=words)


def _may_vote(session: Session, subscriber_id: int) -> bool:
    subscriber = subscribers.find(session, subscriber_id)
    return subscriber is not None and subscriber.state == "active"


def _asks_about(digest: Digest, tool: Tool) -> bool:
    """Whether the digest has the tool, last week's included. Releases before 0.6.0 stored no ids of its tools."""
    if digest.tool_ids is not None:
        return tool.id in digest.tool_ids
    content = digest.content or {}
    return "comparisons" in content and tool.slug in DigestContent.from_json(content).tool_slugs


def _not_from_a_letter(session: Session, digest: Digest | None, tool: Tool) -> Response:
    """The answer to a link whose letter is forgotten, or did not ask about this tool: where to vote instead."""
    if digest is None:
        status, what, title = 410, "From your letter", "This link has expired"
        why = f"Vote links work for {RETENTION['deliveries'].until}"
    else:
        status, what = 404, f"From your letter {digest.slot}"
        title, why = f"That letter didn’t ask about {tool.name}", "A vote link works for the tools in its own letter"
    problem = f"{why}, so no vote was counted. You can still vote on our site."
    onward = {"onward": _page_of(session, tool), "onward_words": f"Vote on {tool.name}"}
    return mailed.page(status, what=what, title=title, problem=problem, **onward)


def _page_of(session: Session, tool: Tool) -> str:
    """Where to read about a tool and vote: its newest comparison, or its own page."""
    stands = catalog.comparisons_of(session, tool.id, moments.now())
    return f"/compare/{stands[0].slug}#{tool.slug}" if stands else f"/tools/{tool.slug}"


def _answer(session: Session, token: str, signed: Signed, digest: Digest, tool: Tool, choice: Choice) -> Response:
    """The page with the current vote, and with the button unless that vote is the one in the link."""
    said: dict[str, Any] = {
        "what": f"From your letter {digest.slot}",
        "title": f"{choice.capitalize()} {tool.name}?",
        "onward": _page_of(session, tool),
        "onward_words": "Read the comparison first",
    }
    if not _may_vote(session, signed.subject):
        said["problem"] = "Not counted: this address is no longer subscribed. You can vote on the page instead."
        return mailed.page(409 if request.method == "POST" else 200, **said | {"onward_words": "Open the page"})
    own = tallies.figures(session, [tool.id], persons.person_of(signed.subject))[tool.id].own
    if own == choice:
        said |= {"title": f"You said {choice}", "onward_words": "See the results"}
        return mailed.page(note=f"Counted: your vote on {tool.name} is {choice}.", **said)
    earlier = f"It replaces your earlier vote, {own}." if own else f"You haven’t voted on {tool.name} yet."
    return mailed.page(
        sentences=[f"Your vote counts once you press the button. {earlier}"],
        button=f"{choice.capitalize()} {tool.name}",
        sign=choice,
        face=f"big-{choice}",
        action=f"/vote/{token}?tool={tool.slug}&choice={choice}",
        **said,
    )
