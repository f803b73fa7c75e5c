"""Voting with the buttons on a page."""

import re

from flask import Blueprint, Response, abort, jsonify, request

from db import moments, persons
from db.digests import catalog
from db.driver import driver_connection
from db.rules import Choice, share
from db.session import Session, reading, writing
from db.subscribers import subscribers
from db.votes import tallies, votes
from web import errors, headers, visitor
from web.readers import vote_limits

blueprint = Blueprint("votes", __name__)

CHOICES: dict[str, Choice] = {"ship": "ship", "skip": "skip"}
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)


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
    path = f"/compare/{comparison}" if SLUG.fullmatch(comparison) else f"/tools/{slug}"
    return headers.Redirect(status=303, headers={"Location": f"{path}#{slug}"})  # `redirect` would write a page, too
