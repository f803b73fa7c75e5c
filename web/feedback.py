"""`/webhooks/<provider>`: where Amazon SES, Postmark and any other program tell of bounces and complaints.

Whoever posts has to know WEBHOOK_SECRET. A message is stored as it came, and handled later: nothing is done here that
could be half-done. What SES tells is verified first, by the outside line.
"""

import hmac
from typing import Any, NoReturn, cast
from urllib.parse import unquote

from flask import Blueprint, Response, abort, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from db import moments
from db.feedback import events
from db.feedback.events import Source
from db.session import writing
from db.settings import settings
from emails.bounces import forms
from emails.bounces.bad_form import BadForm
from worker.feedback import sns

blueprint = Blueprint("feedback", __name__)

PROVIDERS: tuple[Source, ...] = ("ses", "postmark", "generic")
LARGEST = 1024 * 1024
"""Bytes of a message. SNS sends 256 KiB at most (Amazon SNS quotas)."""
UPLOADS = {f"/webhooks/{each}": LARGEST for each in PROVIDERS}
"""The paths to which the front lets more come than a form has."""
_JSON = {"ses": ("text/plain", "application/json")}
"""SNS calls its JSON plain text."""


@blueprint.post("/webhooks/<any(ses, postmark, generic):provider>")
def receive(provider: str) -> Response:
    """Store a message. 401 or 403 without the secret, 400 for what cannot be read, 200 for what was stored before."""
    _refuse_strangers()
    source, raw = cast(Source, provider), _body()
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        _refuse(415, "The body has to be sent as it is, without a Content-Encoding.")
    if request.mimetype not in _JSON.get(source, ("application/json",)):
        _refuse(415, "The body has to be JSON, and Content-Type has to say so.")
    try:
        stored = _of_ses(raw) if source == "ses" else _of_others(source, raw)
    except BadForm as error:
        _refuse(400, str(error))
    return _kept_from_caches(jsonify(stored=stored is not None))


def _of_others(source: Source, raw: bytes) -> int | None:
    told = forms.fields(raw)
    forms.read(source, raw)
    with writing() as session:
        return events.record(session, source, _key(source, told, raw), raw, moments.now())


def _key(source: Source, told: dict[str, Any], raw: bytes) -> str:
    """The provider's id, where it has one. A retry may be written otherwise, so its bytes would not tell."""
    number = told.get("ID") if source == "postmark" else told.get("id")
    if isinstance(number, str | int) and not isinstance(number, bool) and number:
        return events.key_of(f"{told.get('RecordType', '')} {number}".encode("utf-8", "replace"))
    return events.key_of(raw)


def _of_ses(raw: bytes) -> int | None:
    message, now = sns.read(raw), moments.now()
    if message.topic not in settings().ses_topics:
        _refuse(403, "This TopicArn is not listed in SES_TOPICS.")
    if not sns.is_timely(message, now):
        _refuse(400, "Timestamp is none of the last weeks.")
    key, proven_key = events.key_of(message.all_that_proves), events.key_of(message.signed_text)
    with writing() as session:
        return events.store_to_be_checked(session, key, proven_key, raw, now)


# ---- who may post, and how much --------------------------------------------------------------------------------


def _refuse_strangers() -> None:
    secret, sent = settings().webhook_secret, _sent_secret()
    if not secret:
        _refuse(403, "Nothing is taken here until WEBHOOK_SECRET is set.")
    if sent is None:
        _refuse(401, "The secret is missing: as ?secret=… in the URL, or as the password of basic authentication.")
    # It may have been written into the URL as it is, with a plus sign in it, or sent on with its percent signs.
    spellings = (sent, sent.replace(" ", "+"), unquote(sent))
    if not any(hmac.compare_digest(each.encode("utf-8", "replace"), secret.encode()) for each in spellings):
        _refuse(403, "The secret is wrong.")


def _sent_secret() -> str | None:
    try:
        login = request.authorization
    except ValueError:  # werkzeug fails at a header with letters beyond ASCII
        login = None
    if login is not None and login.type == "basic":
        return login.password or ""
    return request.args.get("secret")


def _body() -> bytes:
    request.max_content_length = LARGEST
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge:
        _refuse(413, "A message may have 1 MiB at most.")


def _refuse(status: int, sentence: str) -> NoReturn:
    response = jsonify(error=sentence)
    response.status_code = status
    if status == 401:  # SNS sends a URL's login only when it is asked for it
        response.headers["WWW-Authenticate"] = 'Basic realm="webhooks", charset="UTF-8"'
    abort(_kept_from_caches(response))


def _kept_from_caches(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
