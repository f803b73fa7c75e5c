"""Voting: from the buttons on a page, and from the links in a digest."""

import re
from datetime import UTC, datetime

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, request
from sqlalchemy.orm import Session

from db import catalog, subscribers, tallies, votes
from db.catalog import Tool
from db.rules import Choice, share
from db.session import reading, writing
from db.settings import settings
from emails.links import BadLink, read
from web import errors, mailed, visitor

rooms = Blueprint("votes", __name__)

CHOICES: dict[str, Choice] = {"ship": "ship", "skip": "skip"}
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
_WHAT = "From your letter"


# ---- from a page -------------------------------------------------------------------------------------------


@rooms.post("/tools/<slug:slug>/vote")
def vote(slug: str) -> Response:
    visitor.refuse_strangers()
    choice = request.form.get("choice", "")
    if choice not in CHOICES and choice != "withdraw":
        abort(400, "A vote is ship, skip or withdraw, and this was none of them. Open the tool's page and press a button.")
    now = datetime.now(UTC)
    with writing(durable=False) as session:
        tool_id = catalog.tool_id(session, slug)
        if tool_id is None:
            abort(404, "We do not know this tool, so nothing was counted. The archive lists every comparison.")
        voter = _voter(session)
        if choice == "withdraw":
            votes.withdraw(session, voter, tool_id, now)
        else:
            votes.cast(session, voter, tool_id, CHOICES[choice], now)
        answer = _json(session, slug, tool_id, voter) if errors.wants_json() else _back(slug)
    if choice != "withdraw":
        visitor.remember(answer, voter)
    return answer


def _voter(session: Session) -> str:
    """Whose vote it is; a browser whose subscriber was erased is a new voter."""
    known = visitor.voter()
    if known and known.startswith("subscriber:"):
        subscriber = subscribers.find(session, int(known.removeprefix("subscriber:")))
        if subscriber is None or subscriber.state == "erased":
            known = None
    return known or votes.new_voter()


def _json(session: Session, slug: str, tool_id: int, voter: str) -> Response:
    seen = tallies.figures(session, [tool_id], voter)[tool_id]
    return jsonify(
        tool=slug, choice=seen.own, ship=seen.ship, skip=seen.skip, percent=share(seen.ship, seen.skip)
    )


def _back(slug: str) -> Response:
    comparison = request.form.get("comparison", "")
    path = f"/compare/{comparison}" if _SLUG.fullmatch(comparison) else f"/tools/{slug}"
    return make_response(redirect(f"{path}#{slug}", 303))


# ---- from a letter -----------------------------------------------------------------------------------------


@rooms.get("/vote/<token>")
def ask_vote(token: str) -> Response:
    try:
        subscriber_id = read(settings().keys, "vote", token).subject
    except BadLink:
        return mailed.bad_link(_WHAT)
    with reading() as session:
        tool, choice = _asked_for(session)
        return _answer(session, subscriber_id, tool, choice)


@rooms.post("/vote/<token>")
def cast_vote(token: str) -> Response:
    visitor.refuse_strangers(private_page=True)
    try:
        subscriber_id = read(settings().keys, "vote", token).subject
    except BadLink:
        return mailed.bad_link(_WHAT)
    with writing() as session:
        tool, choice = _asked_for(session)
        if _may_vote(session, subscriber_id):
            votes.cast(session, f"subscriber:{subscriber_id}", tool.id, choice, datetime.now(UTC))
        return _answer(session, subscriber_id, tool, choice)


def _asked_for(session: Session) -> tuple[Tool, Choice]:
    """The tool and the choice that the link names."""
    slug, choice = request.values.get("tool", ""), request.values.get("choice", "")
    tool = catalog.tool(session, slug) if _SLUG.fullmatch(slug) else None
    if tool is None:
        abort(404, "The tool in this link is not known here, so nothing was counted. Use the whole link from the letter.")
    if choice not in CHOICES:
        abort(400, "This link says neither ship nor skip, so nothing was counted. Use the whole link from the letter.")
    return tool, CHOICES[choice]


def _may_vote(session: Session, subscriber_id: int) -> bool:
    subscriber = subscribers.find(session, subscriber_id)
    return subscriber is not None and subscriber.state == "active"


def _answer(session: Session, subscriber_id: int, tool: Tool, choice: Choice) -> Response:
    """What is so now, and the button while there is something for it to do."""
    title = f"{choice.capitalize()} {tool.name}?"
    stands = catalog.comparisons_of(session, tool.id, datetime.now(UTC))
    onward = {"onward": f"/compare/{stands[0].slug}#{tool.slug}" if stands else f"/tools/{tool.slug}"}
    if not _may_vote(session, subscriber_id):
        problem = "Not counted: this letter's address is not subscribed any more. You can vote on the page instead."
        return mailed.page(
            409 if request.method == "POST" else 200,
            what=_WHAT, title=title, problem=problem, **onward, onward_words="To the page",
        )  # fmt: skip
    own = tallies.figures(session, [tool.id], f"subscriber:{subscriber_id}")[tool.id].own
    if own == choice:
        note = f"Counted: your vote on {tool.name} is {choice}."
        title = f"You said {choice}"
        return mailed.page(what=_WHAT, title=title, note=note, **onward, onward_words="See how it stands")
    until = f"until now it was {own}" if own else "until now you have none"
    return mailed.page(
        what=_WHAT, title=title,
        sentences=[f"Nothing has been counted yet. Press the button and your vote on {tool.name} becomes {choice}; {until}."],
        button=f"{choice.capitalize()} {tool.name}", sign=choice, face=f"big-{choice}", action=request.full_path,
        **onward, onward_words="Read the comparison first",
    )  # fmt: skip
