"""“People”: readers by state, and everything about one of them.

Only the roles operator and admin see whole email addresses, IP addresses and browsers. Looking at a page is not
audited, because a GET writes no row; exporting somebody's data is.
"""

import json

from flask import Response, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from db import moments
from db.digests import catalog
from db.rules import SUPPRESSIONS, BadAddress, Refused
from db.session import Session, reading
from db.subscribers import lists, subscribers, suppressions
from db.subscribers.subscribers import Subscriber
from web.actions.explanation import explanation
from web.actions.explanation.explanation import Explanation
from web.actions.subscribers import subscribers as actions
from web.actions.subscribers import timeline
from web.operator.frame import confirm, errors
from web.operator.frame.access import actor, allowed, blueprint, may
from web.operator.frame.cached import Cached
from web.operator.frame.paging import paged

PAGE = 50
_counts = Cached(lists.counts)


# ---- lists -------------------------------------------------------------------------------------------------


@blueprint.get("/people")
@allowed("viewer")
def explain() -> str:
    return _list("")


@blueprint.post("/people/find")
@allowed("viewer")
def find_person() -> AnyResponse | tuple[str, int]:
    """The search is a POST, so that the address stays out of logs and browser histories."""
    who = request.form.get("who", "").strip()
    try:
        with reading() as session:
            found = _find(session, who)
            asked = None if found or "@" not in who else explanation.of_address(session, who, moments.now())
    except BadAddress as bad:
        return _list(str(bad), who), 400
    if found is not None:
        return redirect(url_for("operator.person", subscriber_id=found.id), 303)
    error = asked.sentence if asked else f"There is no subscriber {who}."
    if asked and asked.suppression:
        error += f" The suppression list says: {asked.suppression.reason}."
    return _list(error, who), 404


def _find(session: Session, who: str) -> Subscriber | None:
    number = who.removeprefix("subscriber").strip()
    if number.isascii() and number.isdigit():
        return subscribers.find(session, int(number)) if len(number) < 19 else None
    return subscribers.by_address(session, who)


def _list(error: str, who: str = "") -> str:
    now = moments.now()
    listed = request.args.get("state") or None
    if listed not in lists.LISTS:
        listed = None
    before = request.args.get("before", type=int)
    with reading() as session:
        rows = lists.page(session, listed, now, before=before, limit=PAGE + 1)
        held = lists.which_suppressed(session, [each.id for each in rows])
    people, page = paged(
        rows, PAGE, before, lambda person: person.id, lambda at: url_for("operator.explain", state=listed, before=at)
    )
    return render_template(
        "operator/people.html", people=people, listed=listed, counts=_counts(), held=held, lists=lists.LISTS, now=now,
        page=page, error=error, who=who,
    )  # fmt: skip


# ---- one reader --------------------------------------------------------------------------------------------


@blueprint.get("/people/<int:subscriber_id>")
@allowed("viewer")
def person(subscriber_id: int) -> str | Response:
    try:
        told = _story(subscriber_id)
        answer = _answer(told.subscriber)
    except Refused as error:
        return errors.page(404, "Nothing is there", str(error), url_for("operator.explain"))
    with reading() as session:
        tools = catalog.tools(session, [vote.tool_id for vote in told.votes])
    held = told.suppression
    liftable = held is not None and may(SUPPRESSIONS[held.reason].lifted_by)
    return render_template(
        "operator/person.html", story=told, answer=answer, who=told.subscriber, tools=tools, liftable=liftable,
        rule=SUPPRESSIONS[held.reason] if held else None, here="operator.explain",
    )  # fmt: skip


def _story(subscriber_id: int) -> timeline.Timeline:
    with reading() as session:
        return timeline.of(session, subscriber_id, moments.now())


def _answer(who: Subscriber) -> Explanation:
    with reading() as session:
        return explanation.of_subscriber(session, who, moments.now(), request.args.get("slot") or None)


def _place(subscriber_id: int) -> str:
    return url_for("operator.person", subscriber_id=subscriber_id)


@blueprint.post("/people/<int:subscriber_id>/suppress")
@allowed("operator")
def suppress_person(subscriber_id: int) -> AnyResponse:
    who = _story(subscriber_id).subscriber
    if who.address is None:
        raise Refused("There is no address left to suppress.")
    if not confirm.given():
        return confirm.ask(
            f"Suppress {who.address}?",
            "No letter of any kind goes to this address any more, those that are queued included. An operator can"
            " lift it.",
            "Suppress 1 address", back=_place(who.id), here="operator.explain",
        )  # fmt: skip
    actions.suppress(actor(), [who.address], moments.now(), confirm.note())
    return confirm.done("1 address was suppressed.", _place(who.id))


@blueprint.post("/people/<int:subscriber_id>/lift")
@allowed("operator")
def lift_person(subscriber_id: int) -> AnyResponse:
    told = _story(subscriber_id)
    if told.suppression is None:
        raise Refused("This address is not suppressed (any more).")
    return lift_one(told.suppression.address_hash, _place(subscriber_id), "operator.explain")


def lift_one(address_hash: str, back: str, here: str) -> AnyResponse:
    """Confirm, then lift one suppression; used from the reader's page and from the list."""
    with reading() as session:
        held = suppressions.get(session, address_hash)
    rule = SUPPRESSIONS[held.reason]
    if not may(rule.lifted_by):
        raise Refused(f"This suppression is lifted {rule.lifted}.")
    grave, why = rule.lifted_by == "admin", rule.needs_note
    if not confirm.given():
        return confirm.ask(
            "Allow mail to this address again?",
            f"It has been suppressed since {held.at:%Y-%m-%d} ({held.reason}). Its reader then gets mail again if they"
            " are subscribed; somebody who has left stays unsubscribed.",
            "Allow mail again", note="required" if why else "optional", risk=grave, back=back, here=here,
        )  # fmt: skip
    actions.lift(actor(), [address_hash], moments.now(), confirm.note(required=why), as_admin=may("admin"))
    return confirm.done("Mail to this address is allowed again.", back)


@blueprint.post("/people/<int:subscriber_id>/erase")
@allowed("admin")
def erase_person(subscriber_id: int) -> AnyResponse:
    told = _story(subscriber_id)
    if told.subscriber.state == "erased":
        raise Refused(f"Subscriber {subscriber_id} is erased already.")
    if not confirm.given():
        letters = sum(event.kind == "letter" for event in told.events) + told.older_letters
        return confirm.ask(
            f"Erase subscriber {subscriber_id}?",
            f"The address, time zone, networks and browsers are forgotten, the {len(told.votes)} votes withdrawn, the"
            f" mail servers’ words about {letters} letters dropped. What stays is the times of consent without a"
            " person, and a keyed hash that keeps an import from bringing the address back. This cannot be taken back.",
            "Erase 1 reader", note="required", risk=True, back=_place(subscriber_id), here="operator.explain",
        )  # fmt: skip
    actions.erase(actor(), subscriber_id, moments.now(), confirm.note(required=True))
    return confirm.done("1 reader was erased.", _place(subscriber_id))


@blueprint.post("/people/<int:subscriber_id>/export")
@allowed("operator")
def export_person(subscriber_id: int) -> AnyResponse:
    if not confirm.given():
        return confirm.ask(
            f"Hand out all that is held about subscriber {subscriber_id}?",
            "A JSON file with address, consents, letters and votes. Give it to nobody but the reader.",
            "Save 1 file", back=_place(subscriber_id), here="operator.explain",
        )  # fmt: skip
    told = actions.export_one(actor(), subscriber_id, moments.now(), confirm.note())
    answer: Response = make_response(json.dumps(told.as_json(), indent=2, ensure_ascii=False, default=str))
    answer.mimetype = "application/json"
    answer.headers["Content-Disposition"] = f'attachment; filename="subscriber-{subscriber_id}.json"'
    return answer


def address_field(value: str = "", error: str = "") -> Markup:
    """The address field on a confirm page."""
    said = Markup('<p class="note note-error" id="address_error" role="alert">{}</p>').format(error) if error else ""
    marks = Markup(' aria-invalid="true" aria-describedby="address_error"') if error else ""
    return Markup(
        '<label class="field">Address<input name="address" type="text" inputmode="email" autocomplete="off" required'
        ' maxlength="320" value="{}"{}></label>{}'
    ).format(value, marks, said)
