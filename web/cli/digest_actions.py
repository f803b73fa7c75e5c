"""`verdicts digest send`, `hold`, `cancel` and the other commands that change, preview or test a digest."""

from pathlib import Path

import click

from db import moments
from db.digests import digests, rule_history
from db.session import reading
from web.actions.digests import digest_tests, questions, send_time
from web.actions.digests import digests as actions
from web.cli import actor, ask, at_a_terminal, dry_run_option, note_option, yes_option
from web.cli.digest import slot_argument
from worker.digests import by_hand, digest_previews
from worker.letters import letter_checks
from worker.letters.composing import sample_marks

reason_option = click.option("--reason", help="Why; kept on the digest.")
this_week = click.argument("slot", metavar="[SLOT]", required=False)


def _this_week() -> str:
    with reading() as session:
        return rule_history.standing(session).slot_of(moments.now())


@click.command()
@this_week
@note_option
def assemble(slot: str | None, note: str | None) -> None:
    """Open the slot's draft, or assemble it again; without SLOT this ISO week's."""
    found = actions.assemble(actor(), _this_week() if slot is None else slot, moments.now(), note=note)
    compared = len(found.content["comparisons"]) if found.content else 0
    if found.state == "held":
        click.echo(f"{found.slot} is held: {found.reason or 'until somebody releases it'}.")
    else:
        click.echo(f"{found.slot} is a {found.state} of {compared} comparison{'' if compared == 1 else 's'}.")


@click.command()
@slot_argument
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="The folder.")
def preview(slot: str, folder: Path) -> None:
    """Write the letter's HTML and text parts into a folder, as one reader would see them, and say what to mend."""
    letter = digest_previews.draft_letter(slot, moments.now())
    seen = letter.filled(sample_marks(letter))
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in (("html", seen.html), ("txt", seen.text)):
        path = folder / f"{slot}.{name}"
        path.write_text(body, encoding="utf-8")
        click.echo(f"{path} ({len(body.encode()) / 1024:.1f} KiB)")
    click.echo(f"subject: {letter.subject}")
    for fault in letter_checks.faults(letter):
        click.echo(f"{fault.severity}: {fault.words}")


@click.command()
@slot_argument
@click.argument("address")
@note_option
def test(slot: str, address: str, note: str | None) -> None:
    """Send the letter, marked as a test, to one address: an operator's own, or a few times a day somebody else's."""
    left = digest_tests.send_test(actor(), slot, address, moments.now(), note=note)
    click.echo(f"A test of {slot} is on its way to {address}.")
    if left is not None:
        click.echo(f"This isn’t an operator’s address, so it counts: {digest_tests.left_in_words(left)}.")


@click.command()
@this_week
@click.option("--late", is_flag=True, help="Send it even if it is later than DIGEST_LATENESS allows.")
@click.option(
    "--early", metavar="REASON", help="Send it before its week has begun or within five days of the last, and say why."
)
@yes_option
@dry_run_option
@note_option
def send(slot: str | None, late: bool, early: str | None, yes: bool, dry_run: bool, note: str | None) -> None:
    """Freeze the digest now and hand it to the workers; without SLOT this ISO week's."""
    slot, now = _this_week() if slot is None else slot, moments.now()  # "$SLOT" without a value is a mistake
    if gone := _has_gone(slot):
        click.echo(gone)
        return
    if dry_run or at_a_terminal():
        actions.check_early(slot, questions.why_early(slot, now), early)
    if dry_run:
        number = actions.to_send(slot, now, late)
        click.echo(_lasting(f"{slot}: would be sent to {_people(number)}; nothing was done.", number))
        return
    ask(lambda: questions.of_sending(slot, now, late)[0], yes)
    found, gone_meanwhile = actions.send(actor(), slot, moments.now(), late=late, early=early, note=note)
    if gone_meanwhile:
        click.echo(f"{slot} has gone already and is {found.state}.")
    elif found.state == "skipped":
        click.echo(f"{slot}: skipped, {found.reason}.")
    else:
        told = f"{slot}: {questions.sent_to(found.audience or 0, moments.now())}."
        click.echo(_lasting(told, found.audience))
        click.echo(f"Follow it: verdicts digest watch {slot}")


def _has_gone(slot: str) -> str:
    with reading() as session:
        state = digests.state_of(session, slot)
    return f"{slot} has gone already and is {state}." if state in by_hand.GONE else ""


def _lasting(told: str, people: int | None) -> str:
    """The sentence, and how long it takes to send to so many people if SEND_DAILY or SEND_RATE makes it long."""
    return f"{told} {send_time.sentence(people or 0, moments.now())}".rstrip()


def _people(number: int) -> str:
    return f"{number} {'person' if number == 1 else 'people'}"


def _command(name: str, help_text: str) -> click.Command:
    @click.command(name=name, help=help_text)
    @slot_argument
    @reason_option
    @note_option
    def command(slot: str, reason: str | None, note: str | None) -> None:
        found = actions.move(actor(), slot, name, moments.now(), reason=reason, note=note)
        click.echo(f"{slot} is {found.state}.")

    return command


hold = _command("hold", "Keep a draft from being sent until it is released.")
pause = _command("pause", "Stop sending; only letters that have already begun still arrive.")
resume = _command("resume", "Continue sending.")


@click.command()
@slot_argument
@reason_option
@click.option("--early", metavar="REASON", help="Let it go at once within five days of the last one, and say why.")
@note_option
def release(slot: str, reason: str | None, early: str | None, note: str | None) -> None:
    """Let a held draft be sent when it is due, or now if it is overdue, within DIGEST_LATENESS."""
    found = actions.move(actor(), slot, "release", moments.now(), reason=reason, note=note, early=early)
    click.echo(f"{slot} is {found.state}.")


@click.command()
@slot_argument
@reason_option
@yes_option
@note_option
def skip(slot: str, reason: str | None, yes: bool, note: str | None) -> None:
    """Send nothing for this slot."""
    ask(lambda: questions.of_skipping(slot, moments.now()), yes)
    found = actions.move(actor(), slot, "skip", moments.now(), reason=reason, note=note)
    click.echo(f"{slot} is {found.state}.")


@click.command()
@slot_argument
@reason_option
@yes_option
@dry_run_option
@note_option
def cancel(slot: str, reason: str | None, yes: bool, dry_run: bool, note: str | None) -> None:
    """Stop for good: what is not sent is cancelled."""
    if dry_run:
        with reading() as session:
            number = actions.to_cancel(session, slot)
        letters = "letter" if number == 1 else "letters"
        click.echo(f"{slot}: {number} {letters} would be cancelled; nothing was done.")
        return
    ask(lambda: questions.of_cancelling(slot)[0], yes)
    actions.cancel(actor(), slot, moments.now(), reason=reason, note=note)
    click.echo(f"{slot} is cancelled.")
