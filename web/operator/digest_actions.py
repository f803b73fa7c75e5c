"""The actions on a digest: directly, or after a confirm page that says what will happen."""

from flask import render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from db import moments
from db.deliveries.limits import stops
from db.digests.digests import Digest
from db.rules import Refused
from db.session import reading
from emails.texts.formats import plural
from web.actions.content import comparisons as comparison_actions
from web.actions.digests import digest_tests, questions
from web.actions.digests import digests as actions
from web.operator import digest_progress
from web.operator.digests import HERE, opened, passed_over
from web.operator.frame import access, confirm
from web.operator.frame.access import allowed, blueprint
from web.operator.previews import faults_before_sending
from worker.sending import transport_kinds


def page_of(slot: str) -> str:
    return url_for("operator.digest", slot=slot)


def ask_about(
    slot: str, title: str, sentence: str, button: str, fields: dict[str, str | list[str]] | None = None, *,
    note: str | None = "optional", extra: Markup | str = "", risk: bool = False,
) -> AnyResponse:  # fmt: skip
    """The confirm page; “Go back” and the result lead back to the digest."""
    fields = {**(fields or {}), "back": page_of(slot)}
    return confirm.ask(title, sentence, button, fields, note=note, extra=extra, risk=risk, back=page_of(slot),
                       here=HERE)  # fmt: skip


# ---- what an editor may do -------------------------------------------------------------------------------------------


@blueprint.post("/digests/<slot>/<any(hold, release, assemble):action>")
@allowed("editor")
def change_draft(slot: str, action: str) -> AnyResponse:
    now = moments.now()
    if action == "assemble":
        actions.assemble(access.actor(), slot, now)
        return confirm.done(f"{slot} was assembled again.", page_of(slot))
    why = questions.why_early_release(slot, now) if action == "release" else ""
    if why and not confirm.given():
        sentence = "It is overdue, so it goes out at once."
        return ask_about(
            slot, f"Release {slot}?", sentence, f"Release {slot}", note=None, extra=_reason_to_be_early(why), risk=True
        )
    found = actions.move(access.actor(), slot, action, now, note=confirm.note(), early=_early())
    said = "is held until somebody releases it" if found.state == "held" else "was released"
    return confirm.done(f"{slot} {said}.", page_of(slot))


@blueprint.post("/digests/<slot>/skip")
@allowed("editor")
def skip_digest(slot: str) -> AnyResponse:
    if not confirm.given():
        sentence = questions.of_skipping(slot, moments.now())
        return ask_about(slot, f"Skip {slot}?", sentence, f"Skip {slot}", note="required", risk=True)
    why = confirm.note(required=True)
    actions.move(access.actor(), slot, "skip", moments.now(), reason=why, note=why)
    return confirm.done(f"{slot} is skipped.", page_of(slot))


@blueprint.post("/digests/<slot>/archive")
@allowed("editor")
def archive_passed_over(slot: str) -> AnyResponse:
    found = opened(slot)
    waiting = passed_over(found)
    if not waiting:
        raise Refused(f"Somebody has decided about them already; {slot} is {found.state}.")
    if not confirm.given():
        number = plural(len(waiting), "comparison").capitalize()
        goes = "is sent by itself when it is due" if found.due_at > moments.now() else "waits until you release it"
        sentence = f"{number} will be left out of all digests; readers still find them on the web. Then {slot} {goes}."
        return ask_about(slot, "Leave them out of digests?", sentence, f"Leave {number.lower()} out")
    done = comparison_actions.archive_passed_over(access.actor(), moments.now(), note=confirm.note())
    return confirm.done(
        f"{plural(len(done), 'comparison').capitalize()} will be left out of all digests.", page_of(slot)
    )


@blueprint.post("/digests/<slot>/test")
@allowed("editor")
def test_digest(slot: str) -> AnyResponse:
    to = request.form.get("address", "").strip() or access.current().address
    left = digest_tests.send_test(access.actor(), slot, to, moments.now())
    more = (
        "" if left is None else f" This isn’t an operator’s address, so it counts: {digest_tests.left_in_words(left)}."
    )
    return confirm.done(f"A test of {slot} is on its way to {to}.{more}", page_of(slot))


# ---- what an operator may do -----------------------------------------------------------------------------------------


@blueprint.post("/digests/<slot>/send")
@allowed("operator")
def send_digest(slot: str) -> AnyResponse:
    now, late = moments.now(), request.form.get("late") == "yes"
    if not confirm.given():
        sentence, number = questions.of_sending(slot, now, late)
        button = f"Send to {questions.counted(number, 'person', 'people')}"
        fields: dict[str, str | list[str]] = {"late": "yes"} if late else {}
        why = questions.why_early(slot, now)
        return ask_about(slot, f"Send {slot} now?", sentence, button, fields, note=None if why else "optional",
                         extra=faults_before_sending(slot) + _reason_to_be_early(why), risk=bool(why))  # fmt: skip
    found, gone = actions.send(access.actor(), slot, now, late=late, early=_early(), note=confirm.note())
    if gone:
        raise Refused(f"{slot} has gone already and is {found.state}.")
    if found.state == "skipped":
        return confirm.done(f"{slot} was skipped: {found.reason}.", page_of(slot))
    return confirm.done(f"{slot}: {questions.sent_to(found.audience or 0, now)}.", page_of(slot))


def _early() -> str:
    return request.form.get("early", "").strip()[:2000]


def _reason_to_be_early(why: str) -> Markup | str:
    """The field that asks for a reason, where the digest would go early."""
    return Markup(render_template("operator/early_reason.html", why=why)) if why else ""


@blueprint.post("/digests/<slot>/pause")
@allowed("operator")
def pause_digest(slot: str) -> AnyResponse:
    if not confirm.given():
        sentence = (
            "No further letter is started; those already started still arrive. "
            "Time spent paused doesn’t count towards expiry."
        )
        return ask_about(slot, f"Pause {slot}?", sentence, f"Pause {slot}")
    why = confirm.note()
    _changed(actions.move(access.actor(), slot, "pause", moments.now(), reason=why, note=why))
    return confirm.done(f"{slot} is paused.", page_of(slot))


@blueprint.post("/digests/<slot>/resume")
@allowed("operator")
def resume_digest(slot: str) -> AnyResponse:
    now = moments.now()
    found = opened(slot)
    with reading() as session:
        another_way = transport_kinds.needs_reason(session, found, now)
        stop = stops.of_digest(session, found.id)
    if another_way and not confirm.given():
        sentence = f"{another_way} If you resume it, the rest goes out the new way."
        return ask_about(slot, f"Resume {slot} another way?", sentence, f"Resume {slot}", note="required", risk=True)
    if stop and not confirm.given():
        told = stops.in_words(stop.rule, None, stop.refused, stop.letters)
        sentence = f"It stopped itself: {told}. If they go on being refused, it stops again."
        return ask_about(slot, f"Resume {slot} all the same?", sentence, f"Resume {slot}", note="required", risk=True)
    why = confirm.note(required=bool(another_way or stop))
    _changed(actions.move(access.actor(), slot, "resume", now, reason=why))
    return confirm.done(f"{slot} goes on.", page_of(slot))


@blueprint.post("/digests/<slot>/cancel")
@allowed("operator")
def cancel_digest(slot: str) -> AnyResponse:
    found = opened(slot)
    if not confirm.given():
        sentence, number = questions.of_cancelling(slot)
        button = f"Cancel {questions.counted(number, 'letter', 'letters')}"
        return ask_about(slot, f"Cancel {slot}?", sentence, button, note="required", risk=True)
    why = confirm.note(required=True)
    number = actions.cancel(access.actor(), slot, moments.now(), reason=why, note=why)
    _changed(found)
    return confirm.done(
        f"{slot} is cancelled: {number:,} {'letter' if number == 1 else 'letters'} will not be sent.", page_of(slot)
    )


def _changed(found: Digest) -> None:
    digest_progress.forget(found.id)
