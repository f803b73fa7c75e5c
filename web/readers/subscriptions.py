"""Subscribing and unsubscribing: the form, the confirm link, the unsubscribe link (one-click by RFC 8058)."""

from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from db import addresses, moments
from db.masking import masked
from db.persons import person_of
from db.rules import BadAddress, Refused
from db.session import reading, writing
from db.settings import settings
from db.subscribers import subscribers, subscriptions
from db.subscribers.subscribers import Subscriber
from db.subscribers.subscriptions import SignUp
from db.votes import votes
from emails.letters import day
from emails.links import BadLink
from web import visitor
from web.readers import mailed, sign_up_limits
from web.readers.answers import kept_page
from web.readers.places import Pieces, render

blueprint = Blueprint("subscriptions", __name__)

CONSENT_WORDS = (
    "By subscribing you agree to get one email a week. First we’ll send you one email to confirm your address. "
    "If you don’t confirm, we’ll remind you once, and then we won’t email you again. You can unsubscribe at any time."
)
CONSENT_VERSION = "2026-11-29"
"""Names the words above: change it whenever they change. Proofs that are stored already keep their own words."""


# ---- the form ----------------------------------------------------------------------------------------------


@blueprint.get("/subscribe")
@kept_page()
def form() -> Pieces:
    return render("subscribe.html", {})


@blueprint.post("/subscribe")
def subscribe() -> Response:
    visitor.refuse_strangers()
    given = request.form.get("email", "")
    now = moments.now()
    try:
        addresses.normal(given)
        sign_up_limits.refuse_again(now)
        with writing() as session:
            sign_up_limits.count(session, now)
            if not request.form.get("website"):  # a honeypot: people do not see it, so only a bot fills it in
                subscriptions.request(
                    session, given, words=CONSENT_WORDS, words_version=CONSENT_VERSION, locale="en",
                    form_url=_form_url(), ip=visitor.address(), user_agent=_user_agent(), now=now,
                )  # fmt: skip
    except BadAddress as problem:
        shown = given.replace("\0", "")[:320]
        page = render_template("subscribe.html", value=shown, problem=str(problem))
        return _unkept(make_response(page, 422))
    return _unkept(make_response(render_template("subscribe.html", asked=True)))


def _form_url() -> str:
    """The page that held the form, from the Referer header if the browser sent one."""
    try:
        path = urlsplit(request.referrer or "").path
    except ValueError:  # it is the browser's word, and nobody's sign-up hangs on it
        path = ""
    return settings().base_url + _printable(path or "/subscribe")[:300]


def _user_agent() -> str:
    return _printable(request.user_agent.string)[:300]


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable())


def _unkept(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


# ---- the confirm link --------------------------------------------------------------------------------------

_CONFIRM = "Your subscription"


@blueprint.get("/confirm/<token>")
def ask_confirm(token: str) -> Response:
    try:
        token, signed = mailed.read("confirm", token)
    except BadLink:
        return mailed.bad_link(_CONFIRM)
    if signed.is_test:
        return mailed.of_test(_CONFIRM, "leads to the button that confirms their subscription")
    sign_up_id = signed.subject
    with reading() as session:
        sign_up = subscriptions.sign_up_of(session, sign_up_id, moments.now())
    if sign_up is None or sign_up.state in ("expired", "over"):
        return _link_is_over(sign_up)
    if sign_up.state == "confirmed":
        return _confirmed(masked(sign_up.address))
    return mailed.page(
        what=_CONFIRM,
        title="Confirm your subscription",
        sentences=[
            f"On {day(sign_up.asked_at)} someone, most likely you, signed up {masked(sign_up.address)} for "
            f"{settings().site_name}. Press the button to get one email a week. You can unsubscribe at any time."
        ],
        button="Confirm my subscription",
        face="big-plain",
        action=f"/confirm/{token}",
    )


@blueprint.post("/confirm/<token>")
def confirm(token: str) -> Response:
    visitor.refuse_strangers(private_page=True)
    try:
        token, signed = mailed.read("confirm", token)
    except BadLink:
        return mailed.bad_link(_CONFIRM)
    if signed.is_test:
        return mailed.of_test(_CONFIRM, "leads to the button that confirms their subscription")
    sign_up_id = signed.subject
    now, before = moments.now(), visitor.voter()
    try:
        with writing() as session:
            asked = subscriptions.sign_up_of(session, sign_up_id, now)
            subscriber = subscriptions.confirm(session, sign_up_id, visitor.address(), now)
            # Emails get forwarded, so only the browser that first confirms the sign-up becomes the subscriber's.
            first = asked is not None and asked.state == "open"
            if first and before:  # the votes that this browser cast so far become the subscriber's
                votes.merge(session, before, subscriber.id)
    except Refused:
        with reading() as session:
            return _link_is_over(subscriptions.sign_up_of(session, sign_up_id, now))
    response = _confirmed(masked(subscriber.address) if subscriber.address else "you")
    if first:
        visitor.remember(response, person_of(subscriber.id))
    return response


def _confirmed(address: str) -> Response:
    return mailed.page(
        what=_CONFIRM,
        title="You’re subscribed",
        note=f"Confirmed. We’ll send the weekly digest to {address}.",
        sentences=["You can vote right from it, and unsubscribe at any time."],
        onward="/",
        onward_words="See the latest comparison",
    )


def _link_is_over(sign_up: SignUp | None) -> Response:
    left = sign_up is not None and sign_up.state == "over"
    problem = (
        "You’ve unsubscribed since we sent this link, so it no longer works. To come back, subscribe again."
        if left
        else "A confirmation link works for 14 days. Subscribe again and we’ll send you a new one."
    )
    return mailed.page(
        410,
        what=_CONFIRM,
        title="This link has expired",
        problem=problem,
        onward="/subscribe",
        onward_words="Subscribe again",
    )


# ---- unsubscribing -----------------------------------------------------------------------------------------

_LEAVE = "Your subscription"


@blueprint.get("/unsubscribe/<token>")
def ask_leave(token: str) -> Response:
    try:
        token, signed = mailed.read("unsubscribe", token)
    except BadLink:
        return mailed.bad_link(_LEAVE)
    if signed.is_test:
        return mailed.of_test(_LEAVE, "unsubscribes them")
    subscriber_id = signed.subject
    with reading() as session:
        subscriber = subscribers.find(session, subscriber_id)
    if subscriber is None or subscriber.state not in ("active", "pending"):
        return _left(subscriber)
    return mailed.page(
        what=_LEAVE,
        title="Unsubscribe from the weekly letter?",
        sentences=[
            f"We send {settings().site_name} to {masked(subscriber.address or '')} once a week. Press the button to "
            "stop it."
        ],
        button="Unsubscribe",
        face="big-plain",
        action=f"/unsubscribe/{token}",
    )


@blueprint.post("/unsubscribe/<token>")
def leave(token: str) -> Response:
    """One-click by RFC 8058: reads the token in the path alone (no cookie, Origin or body), and always answers 200."""
    try:
        token, signed = mailed.read("unsubscribe", token)
    except BadLink:
        return mailed.bad_link(_LEAVE)
    if signed.is_test:
        return mailed.of_test(_LEAVE, "unsubscribes them")
    subscriber_id = signed.subject
    with writing() as session:
        subscriber = subscriptions.leave(session, subscriber_id, _channel(), moments.now())
    return _left(subscriber)


def _channel() -> str:
    try:
        one_click = request.form.get("List-Unsubscribe") == "One-Click"
    except HTTPException:  # a body that cannot be read must not keep anybody subscribed
        one_click = False
    return "one-click" if one_click else "page"


def _left(subscriber: Subscriber | None) -> Response:
    name = masked(subscriber.address) if subscriber and subscriber.address else None
    return mailed.page(
        what=_LEAVE,
        title="You’re unsubscribed",
        note=f"Done. We won’t send any more digests to {name}."
        if name
        else "Done. We won’t send you any more digests.",
        sentences=["One that is already on its way may still arrive."],
        onward="/subscribe",
        onward_words="Changed your mind? Subscribe again",
    )
