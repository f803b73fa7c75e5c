"""`verdicts bounces`: read mails that came back, from files or a mail server's pipe."""

import json as json_format
import sys
from typing import NoReturn

import click

from db import moments, schema, signing_keys
from db.errors import SQLAlchemyError
from db.feedback import events
from db.rules import Refused
from db.session import writing
from db.setting_errors import BadSettings
from db.settings import settings
from emails.bounces import Finding, read, summary
from web.cli import json_option
from worker import feedback_proof

TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: a mail server that pipes a mail into this command keeps it, and tries again."""
NOT_READ = 65
"""EX_DATAERR: a mail server gives the mail back to its sender, in place of taking it for read."""


@click.group()
def bounces() -> None:
    """Mails that came back: bounces, complaints, and mails that unsubscribe."""


@bounces.command("read")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Say what they mean, and store nothing.")
@json_option
def read_(files: tuple[str, ...], dry_run: bool, json: bool) -> None:
    """Read one mail from each FILE, or one from standard input.

    What is proven to be about a letter of ours is stored, and workers do what follows. Exit code 75 asks a mail server
    to try again later; 65 says that a mail could not be read.
    """
    code = 0
    for file in files or ("-",):
        raw = _bytes_of(file)
        if raw is None:
            code = NOT_READ
            continue
        found = read(raw)
        _tell(file, found, None if dry_run else _store(raw, found), json=json)
    sys.exit(code)


def _bytes_of(file: str) -> bytes | None:
    """The mail; None if it is too large, or gone. One file is open at a time, however many are named."""
    try:
        with click.open_file(file, "rb") as opened:
            raw: bytes = opened.read(events.LARGEST + 1)
    except OSError as error:
        click.echo(f"Error: {_name(file)} was not read: {error.strerror}.", err=True)
        return None
    if len(raw) > events.LARGEST:
        click.echo(f"Error: {_name(file)} is larger than 10 MiB, and was not read.", err=True)
        return None
    return raw


def _store(raw: bytes, found: tuple[Finding, ...]) -> bool:
    """Whether the mail is one of ours to handle. Ends with TRY_AGAIN when it cannot be stored just now."""
    try:
        schema.check()
        signing_keys.record()
        if not feedback_proof.is_ours(settings().keys, found):
            return False
        with writing() as session:
            events.record(session, "pipe", events.key_of(raw), raw, moments.now())
    except (SQLAlchemyError, OSError, BadSettings, Refused) as error:
        _try_again(error)
    return True


def _try_again(error: Exception) -> NoReturn:
    said = str(error) if isinstance(error, BadSettings | Refused) else "the database does not answer."
    click.echo(f"Error: The mail was not stored, and has to be sent again: {said}", err=True)
    sys.exit(TRY_AGAIN)


def _tell(file: str, found: tuple[Finding, ...], stored: bool | None, *, json: bool) -> None:
    recipients, kind = summary.recipients_of(found), summary.kind_of(found)
    if json:
        told = {"recipients": recipients, "kind": kind} | ({} if stored is None else {"stored": stored})
        click.echo(json_format.dumps(told, ensure_ascii=False))
        return
    words = {True: "; stored", False: "; nothing proves that it is about a letter of ours, so nothing was stored"}
    click.echo(f"{_name(file)}: {kind}, {', '.join(recipients) or 'no recipient named'}{words.get(stored, '')}")  # type: ignore[arg-type]


def _name(file: str) -> str:
    return "standard input" if file == "-" else click.format_filename(file)
