"""A digest's exceptions by state, code and reason, and the actions on them."""

from dataclasses import replace
from typing import Literal

from flask import render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from db import moments
from db.deliveries import exceptions
from db.deliveries.deliveries import STATES, Delivery
from db.deliveries.exceptions import EXCEPTIONS, NONE, RETRIED, DeliveryFilter
from db.digests import digests
from db.digests.digests import Digest
from db.persons import subscriber_id
from db.rules import Refused
from db.session import reading
from db.subscribers import subscribers
from web.actions.digests import deliveries as actions
from web.operator import digest_progress
from web.operator.digest_actions import ask_about, page_of
from web.operator.digests import opened
from web.operator.frame import access, confirm
from web.operator.frame.access import allowed, blueprint
from web.operator.frame.masking import visible_address
from web.operator.frame.paging import Paging, paged

HERE = "operator.deliveries"
PAGE = 50


@blueprint.get("/deliveries", endpoint="deliveries")
@allowed("viewer")
def deliveries_() -> str:
    slot, chosen = request.args.get("slot"), _chosen()
    with reading() as session:
        slots = [each.slot for each in digests.page(session, None, 60) if each.frozen_at]
    slot = slot or (slots[0] if slots else None)
    found = opened(slot) if slot else None
    look = digest_progress.of(found) if found and found.frozen_at else None
    rows, page = _rows(found, chosen, look) if found else ([], Paging())
    return render_template(
        "operator/deliveries.html", page_title="Deliveries", slot=slot, slots=slots, digest=found, chosen=chosen,
        state=chosen.states[0] if chosen.states else "", states=STATES, rows=rows, look=look,
        page=page, met=_met(look, chosen),
        filter=_query(chosen, slot),
    )  # fmt: skip


def _rows(
    found: Digest, chosen: DeliveryFilter, look: digest_progress.Progress | None
) -> tuple[list[tuple[Delivery, int | None, str]], Paging]:
    """One page: for each letter (delivery, the subscriber's number, the address as this operator may see it), and the
    links to other pages."""
    if (chosen.code or chosen.reason) and not set(chosen.states) <= set(EXCEPTIONS):
        raise Refused(f"Codes and reasons are asked of letters that are {', '.join(EXCEPTIONS)}; choose among these.")
    if look and chosen.states == ("sent",) and not look.account.states["sent"]:
        return [], Paging()  # these states have no index, so this avoids scanning a million rows
    with reading() as session:
        page = exceptions.page(session, found, chosen, _after(), PAGE + 1)
        shown_here, paging = paged(page, PAGE, _after(), lambda each: each.id, lambda at: _here(chosen, found.slot, at))
        people = subscribers.people(session, filter(None, (subscriber_id(each.person) for each in shown_here)))
    rows = []
    for each in shown_here:
        number = subscriber_id(each.person)
        person = people.get(number or 0)
        rows.append((each, number, visible_address(person.address if person else None) or ""))
    return rows, paging


def _met(look: digest_progress.Progress | None, chosen: DeliveryFilter) -> int:
    """How many letters match the filter, from cached counts."""
    if look is None or not set(chosen.states) or not set(chosen.states) <= set(EXCEPTIONS):
        return 0
    return sum(
        each.count for each in look.replies
        if each.state in chosen.states and _fits(chosen.code, each.code) and _fits(chosen.reason, each.reason)
    )  # fmt: skip


def _fits(asked: object, has: object) -> bool:
    return asked is None or has == (None if asked == NONE else asked)


# ---- the filter --------------------------------------------------------------------------------------------------


def _chosen() -> DeliveryFilter:
    """The filter from the request; invalid states and codes are ignored."""
    states = tuple(state for state in request.values.getlist("state") if state in STATES)
    code = request.values.get("code", "")
    given: int | Literal["none"] | None = int(code) if code.isdecimal() and len(code) == 3 else None
    asked = DeliveryFilter(states, "none" if code == NONE else given, request.values.get("reason") or None)
    # Sent and waiting letters have no index by code, and a scan of a million would find none.
    return asked if states or not (asked.code or asked.reason) else replace(asked, states=EXCEPTIONS)


def _after() -> int:
    after = request.args.get("after", "")
    return int(after) if after.isdecimal() and len(after) < 18 else 0


def _query(chosen: DeliveryFilter, slot: str | None) -> dict[str, object]:
    named = {"slot": slot, "state": list(chosen.states), "code": chosen.code, "reason": chosen.reason}
    return {name: value for name, value in named.items() if value}


def _here(chosen: DeliveryFilter, slot: str | None, after: object = None) -> str:
    more: dict[str, object] = {"after": after} if after else {}
    return url_for(HERE, **{**_query(chosen, slot), **more})  # type: ignore[arg-type]


# ---- changes -----------------------------------------------------------------------------------------------------


@blueprint.route("/digests/<slot>/retry", methods=["GET", "POST"])
@allowed("operator")
def retry_deliveries(slot: str) -> AnyResponse:
    found, chosen = opened(slot), _chosen().within(RETRIED)
    if not confirm.given():
        number = _counted(slot, chosen)
        which = f"1 letter of {slot} that is" if number == 1 else f"{number:,} letters of {slot} that are"
        goes = "goes" if number == 1 else "go"
        sentence = f"{which} {_named(chosen)} {goes} out again now."
        return ask_about(slot, f"Retry letters of {slot}?", sentence, f"Retry {number:,}", _fields(chosen))
    number = actions.retry(access.actor(), slot, moments.now(), chosen, note=confirm.note())
    digest_progress.forget(found.id)
    return confirm.done(
        f"{number:,} {'letter is' if number == 1 else 'letters are'} queued to be sent again.", page_of(slot)
    )


@blueprint.route("/digests/<slot>/resolve", methods=["GET", "POST"])
@allowed("operator")
def resolve_deliveries(slot: str) -> AnyResponse:
    found, chosen = opened(slot), _chosen().within(("unknown",))
    choice = request.values.get("as")
    if choice not in ("sent", "resend"):
        raise Refused("Say what became of them: count them as sent, or send them again.")
    if not confirm.given():
        number = _counted(slot, chosen)
        letters = "1 letter" if number == 1 else f"{number:,} letters"
        sentence, button = (
            (f"The doubt about {letters} ends: counted as sent, and not sent again.", f"Count {number:,} as sent")
            if choice == "sent"
            else (f"Send {letters} again: whoever got one gets a second.", f"Send {number:,} again")
        )
        fields = _fields(chosen) | {"as": choice}
        return ask_about(slot, f"Resolve the doubt about {slot}?", sentence, button, fields, risk=choice == "resend")
    number = actions.resolve(access.actor(), slot, choice == "sent", moments.now(), chosen, note=confirm.note())
    digest_progress.forget(found.id)
    what = "counted as sent" if choice == "sent" else "sent again"
    return confirm.done(f"{number:,} unknown {'letter is' if number == 1 else 'letters are'} {what}.", page_of(slot))


def _counted(slot: str, chosen: DeliveryFilter) -> int:
    number = actions.count(slot, chosen)
    if not number:
        raise Refused(f"No letter of {slot} is {_named(chosen)} any more.")
    return number


def _named(chosen: DeliveryFilter) -> str:
    said = " or ".join(chosen.states)
    said += f" with {chosen.code}" if chosen.code and chosen.code != NONE else ""
    return said + (f" ({chosen.reason})" if chosen.reason and chosen.reason != NONE else "")


def _fields(chosen: DeliveryFilter) -> dict[str, str | list[str]]:
    fields: dict[str, str | list[str]] = {"state": list(chosen.states)}
    if chosen.code:
        fields["code"] = str(chosen.code)
    if chosen.reason:
        fields["reason"] = chosen.reason
    return fields
