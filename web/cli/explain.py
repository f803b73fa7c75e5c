"""`verdicts deliveries explain`: what happened to an address's mail, the answer first."""

from typing import Any

import click

from db import moments
from db.feedback.feedback import Feedback
from db.session import reading
from web.actions.explanation import explanation
from web.actions.explanation.case import Lifted
from web.actions.explanation.explanation import Explanation, OfLetter
from web.actions.subscribers import came_back
from web.cli import as_json, json_option
from web.cli.deliveries import row_of


@click.command()
@click.argument("address")
@click.argument("slot", required=False)
@json_option
def explain(address: str, slot: str | None, json: bool) -> None:
    """What happened to an address's mail: one sentence, then every letter, or one slot's digest."""
    with reading() as session:
        found = explanation.of_address(session, address, moments.now(), slot)
    if json:
        as_json(_as_json(found))
        return
    click.echo(found.sentence)
    who, held = found.subscriber, found.suppression
    click.echo()
    if who is not None:
        click.echo(f"{who.address} is {who.state}" + (", and suppressed" if held else ""))
        if who.paused_until:
            click.echo(f"paused until {who.paused_until:%Y-%m-%d %H:%M} UTC")
    if held is not None:
        suspected = ", suspected" if held.suspected_at else ""
        note = f": {held.note}" if held.note else ""
        click.echo(f"suppressed since {held.at:%Y-%m-%d %H:%M:%S} UTC, {held.reason}{suspected}{note}")
    for again in found.lifted:
        click.echo(_allowed(again))
    for entry in found.consents:
        words = f", to words {entry.words_version}" if entry.words_version else ""
        click.echo(f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  consent {entry.what} by {entry.source}{words}")
    if not found.letters and not (who is None and held is not None and held.reason == "erased"):
        click.echo(f"No letter{f' of {slot}' if slot else ''} was ever queued for this address.")
    for each in found.letters:
        click.echo(_told(each))


def _allowed(again: Lifted) -> str:
    after = f" after: {again.reason}" if again.reason else ""
    return f"{again.at:%Y-%m-%d %H:%M:%S} UTC  mail allowed again by {again.by}{after}" + (
        f" ({again.note})" if again.note else ""
    )


def _told(each: OfLetter) -> str:
    row = each.delivery
    letter = f"digest {each.slot}" if each.slot else row.letter
    told = f"{row.settled_at or row.created_at:%Y-%m-%d %H:%M:%S} UTC  {letter}: {row.state}"
    if row.reason:
        told += f", {row.reason}"
    if row.tries:
        told += f", {row.tries} attempt{'' if row.tries == 1 else 's'}"
    if row.state == "deferred":
        told += f", next try {row.not_before:%Y-%m-%d %H:%M} UTC"
    if row.reply:
        told += f"\n    the mail server said: {row.reply}"
    return "\n".join([told, *(f"    {_back(back)}" for back in each.back)])


def _back(each: Feedback) -> str:
    said = f": {each.words}" if each.words else ""
    return f"{each.at:%Y-%m-%d %H:%M:%S} UTC  {came_back.of_one(each.kind)}{said}"


def _as_json(found: Explanation) -> dict[str, Any]:
    who, held = found.subscriber, found.suppression
    names = ("what", "at", "source", "words_version", "locale")
    return {
        "sentence": found.sentence,
        "address": found.address,
        "slot": found.slot,
        "state": who.state if who else None,
        "paused_until": who.paused_until if who else None,
        "suppressed": held is not None,
        "suppression": held
        and {"reason": held.reason, "since": held.at, "note": held.note, "suspected": held.suspected_at is not None},
        "lifted": [{"at": it.at, "reason": it.reason, "by": it.by, "note": it.note} for it in found.lifted],
        "consents": [{name: getattr(entry, name) for name in names} for entry in found.consents],
        "deliveries": [
            row_of(each.delivery, found.address)
            | {"slot": each.slot, "came_back": [_came_back(it) for it in each.back]}
            for each in found.letters
        ],
    }


def _came_back(each: Feedback) -> dict[str, Any]:
    return {name: getattr(each, name) for name in ("kind", "at", "code", "status", "words")}
