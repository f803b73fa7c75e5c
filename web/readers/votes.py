"""Voting: with the buttons on a page, and through the links in a digest."""

import re
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from db import moments, persons
from db.deliveries.deliveries import Delivery
from db.digests import catalog
from db.digests.catalog import Tool
from db.digests.digests import Digest
from db.driver import driver_connection
from db.rules import Choice, share
from db.session import Session, reading, writing
from db.settings import settings
from db.subscribers import subscribers
from db.votes import tallies, votes
from emails.links import BadLink, read
from web import errors, headers, visitor
from web.readers import mailed, vote_limits

blueprint = Blueprint("votes", __name__)

CHOICES: dict[str, Choice] = {"ship": "ship", "skip": "skip"}
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)


# ---- from a page -------------------------------------------------------------------------------------------


@blueprint.post("/tools/<slug:slug>/vote")
def vote(slug: str) -> Response:
    visitor.refuse_strangers()
    choice = request.form.get("choice", "")
    if choice not in CHOICES and choice != "withdraw":
        abort(400, "We couldn’t read your vote, so nothing was counted. Open the tool’s page and use its buttons.")
    if choice == "withdraw":
        return _withdraw(slug)
    voter = _voter()
    with driver_connection(durable=False) as driver:
        cast = votes.cast_at_once(driver, voter, slug, CHOICES[choice], moments.now())
    if not cast:
        abort(404, _NO_TOOL)
    answer = _answered(slug, voter)
    visitor.remember(answer, voter)
    return answer


_NO_TOOL = "We don’t know this tool, so no vote was counted. The archive lists every comparison."


def _withdraw(slug: str) -> Response:
    voter = _voter()
    with writing(durable=False) as session:
        tool_id = catalog.tool_id(session, slug)
        if tool_id is None:
            abort(404, _NO_TOOL)
        votes.withdraw(session, voter, tool_id, moments.now())
    return _answered(slug, voter)


def _answered(slug: str, voter: str) -> Response:
    if not errors.wants_json():
        return _back(slug)
    with reading() as session:
        return _json(session, slug, voter)


def _voter() -> str:
    """The voter behind this browser, whose change is counted; without one, or if it was erased, a new voter."""
    known = visitor.voter()
    if known:
        vote_limits.count_change(known)
        if not _is_erased(known):
            return known
    vote_limits.count_new_voter()
    new = votes.new_voter()
    vote_limits.count_change(new)
    return new


def _is_erased(voter: str) -> bool:
    number = persons.subscriber_id(voter)
    if number is None:
        return False
    with reading() as session:
        subscriber = subscribers.find(session, number)
    return subscriber is None or subscriber.state == "erased"


def _json(session: Session, slug: str, voter: str) -> Response:
    tool_id = catalog.tool_id(session, slug)
    if tool_id is None:  # it was removed just now
        abort(404, _NO_TOOL)
    seen = tallies.figures(session, [tool_id], voter)[tool_id]
    return jsonify(tool=slug, choice=seen.own, ship=seen.ship, skip=seen.skip, percent=share(seen.ship, seen.skip))


def _back(slug: str) -> Response:
    comparison = request.form.get("comparison", "")
    path = f"/compare/{comparison}" if _SLUG.fullmatch(comparison) else f"/tools/{slug}"
    return headers.Redirect(status=303, headers={"Location": f"{path}#{slug}"})  # `redirect` would write a page, too


# ---- from a letter -----------------------------------------------------------------------------------------


_COUNTS = "leads to the button that counts their vote"


@blueprint.get("/vote/<token>")
def ask_vote(token: str) -> Response:
    try:
        signed = read(settings().keys, "vote", token)
    except BadLink:
        return mailed.bad_link("From your letter")
    if signed.is_test:
        return mailed.of_test("From your letter", _COUNTS)
    with reading() as session:
        tool, choice = _asked_for(session)
        return _answer(session, token, tool, choice)


@blueprint.post("/vote/<token>")
def cast_vote(token: str) -> Response:
    visitor.refuse_strangers(private_page=True)
    try:
        signed = read(settings().keys, "vote", token)
    except BadLink:
        return mailed.bad_link("From your letter")
    if signed.is_test:
        return mailed.of_test("From your letter", _COUNTS)
    subscriber_id = signed.subject
    vote_limits.count_change(persons.person_of(subscriber_id))
    with writing() as session:
        tool, choice = _asked_for(session)
        if _may_vote(session, subscriber_id):
            votes.cast(session, persons.person_of(subscriber_id), tool.id, choice, moments.now())
        return _answer(session, token, tool, choice)


def _asked_for(session: Session) -> tuple[Tool, Choice]:
    """The tool and the choice that the link names."""
    slug, choice = request.values.get("tool", ""), request.values.get("choice", "")
    tool = catalog.tool(session, slug) if _SLUG.fullmatch(slug) else None
    if tool is None:
        abort(404, "We don’t know the tool in this link, so no vote was counted. Use the whole link from your letter.")
    if choice not in CHOICES:
        abort(400, "This link says neither ship nor skip, so no vote was counted. Use the whole link from your letter.")
    return tool, CHOICES[choice]


def _may_vote(session: Session, subscriber_id: int) -> bool:
    subscriber = subscribers.find(session, subscriber_id)
    return subscriber is not None and subscriber.state == "active"


def _letter(session: Session, delivery_id: int) -> str:
    """The digest that the link came from, as long as its delivery is stored."""
    delivery = session.get(Delivery, delivery_id)
    digest = session.get(Digest, delivery.about) if delivery and delivery.letter == "digest" else None
    return f"From your letter {digest.slot}" if digest else "From your letter"


def _answer(session: Session, token: str, tool: Tool, choice: Choice) -> Response:
    """The page with the current vote, and with the button unless that vote is the one in the link."""
    subscriber_id, delivery_id = read(settings().keys, "vote", token)
    stands = catalog.comparisons_of(session, tool.id, moments.now())
    said: dict[str, Any] = {
        "what": _letter(session, delivery_id),
        "title": f"{choice.capitalize()} {tool.name}?",
        "onward": f"/compare/{stands[0].slug}#{tool.slug}" if stands else f"/tools/{tool.slug}",
        "onward_words": "Read the comparison first",
    }
    if not _may_vote(session, subscriber_id):
        said["problem"] = "Not counted: this address is no longer subscribed. You can vote on the page instead."
        return mailed.page(409 if request.method == "POST" else 200, **said | {"onward_words": "Open the page"})
    own = tallies.figures(session, [tool.id], persons.person_of(subscriber_id))[tool.id].own
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
