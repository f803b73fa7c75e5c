"""Deciding about suspected suppressions, and releasing domains whose letters are held; both stand on the page of the
suppression list."""

from flask import request, url_for
from werkzeug.wrappers import Response as AnyResponse

from db import moments
from db.deliveries.limits import stops
from db.rules import Refused
from db.session import reading
from emails.texts.formats import plural
from web.actions.digests import held_domains
from web.actions.subscribers import suspected as actions
from web.actions.subscribers.suspected import Decision
from web.operator.frame import confirm
from web.operator.frame.access import actor, allowed, blueprint

HERE = "operator.suppressions"
_DONE = {"confirm": "confirmed", "lift": "lifted"}
_SENTENCE = {
    "confirm": "These addresses stay on the list like any other hard bounce. An operator can lift each of them later.",
    "lift": "These addresses come off the list, and their readers get letters again. What the mail server itself"
    " refused of {slot} goes out again with Retry on the digest’s page; what came back later is not sent again.",
}


@blueprint.post("/suppressions/suspected/<any(confirm, lift):decision>")
@allowed("operator")
def decide_suspected(decision: Decision) -> AnyResponse:
    slot, domain = request.form.get("slot", ""), request.form.get("domain", "")
    number = actions.count(slot, domain or None)
    if not number:
        raise Refused("Somebody has decided about them already.")
    if not confirm.given():
        some = f"{number:,} {'suppression' if number == 1 else 'suppressions'}"
        where = f"{slot}, {domain}" if domain else slot
        return confirm.ask(
            f"{decision.capitalize()} {some} of {where}?", _SENTENCE[decision].format(slot=slot),
            f"{decision.capitalize()} {some}", {"slot": slot, "domain": domain}, back=url_for(HERE), here=HERE,
        )  # fmt: skip
    done = actions.decide(actor(), decision, slot, domain or None, moments.now(), confirm.note())
    return confirm.done(
        f"{done:,} {'suppression was' if done == 1 else 'suppressions were'} {_DONE[decision]}.", url_for(HERE)
    )


@blueprint.post("/suppressions/release")
@allowed("operator")
def release_domain() -> AnyResponse:
    domain = request.form.get("domain", "")
    if not confirm.given():
        with reading() as session:
            held = [stop for stop, _ in stops.standing_stops(session) if stop.domain == domain]
        if not held:
            raise Refused("No letters to that domain are held (any more).")
        told = stops.in_words(held[0].rule, domain, held[0].refused, held[0].letters)
        return confirm.ask(
            f"Send the letters to {domain}?",
            f"They are held because {told}. All that wait go out at once; if twenty in a row are refused again, the"
            " domain is held again.", f"Release {domain}", {"domain": domain},
            note="required", back=url_for(HERE), here=HERE,
        )  # fmt: skip
    number = held_domains.release(actor(), domain, confirm.note(required=True) or "", moments.now())
    letters = plural(number, "letter").capitalize()
    return confirm.done(f"{domain} is released. {letters} {'goes' if number == 1 else 'go'} out now.", url_for(HERE))
