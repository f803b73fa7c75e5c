"""`verdicts bounces`: read mails that came back, from files or a mail server's pipe."""

import json as json_format
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NoReturn

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
from worker.feedback import proof

TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: a mail server that pipes a mail into this command keeps it, and tries again."""
TOO_LARGE = 65
"""EX_DATAERR: a mail server gives the mail back to its sender, in place of taking it for read."""
_PASSED_OVER = 256 * 1024 * 1024
"""Bytes of a mail that are taken and thrown away once it is too large: a mail server writes all of it."""


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
    to try again later; 65 says that a mail is too large.
    """
    code = 0
    with _whatever_fails():
        for file in files or ("-",):
            raw = _bytes_of(file)
            if raw is None:
                code = TOO_LARGE
                continue
            found = read(raw)
            _tell(file, found, None if dry_run else _store(raw, found), json=json)
    sys.exit(code)


@contextmanager
def _whatever_fails() -> Iterator[None]:
    """End with TRY_AGAIN also when something fails that nobody thought of: to a mail server any other code means that
    the mail can never be read, and it would be lost."""
    try:
        yield
    except Exception:
        traceback.print_exc()
        _try_again("The mail was not read, and has to be sent again.")


def _bytes_of(file: str) -> bytes | None:
    """The mail; None if it is too large. One file is open at a time, however many are named."""
    try:
        with click.open_file(file, "rb") as opened:
            raw: bytes = opened.read(events.LARGEST + 1)
            if len(raw) > events.LARGEST:
                _pass_over(opened)
    except (OSError, RuntimeError, ValueError) as error:  # the last two of standard input that is closed
        why = error.strerror if isinstance(error, OSError) else "standard input is closed"
        _try_again(f"{_mail_in(file)} was not read: {why}.")
    if len(raw) > events.LARGEST:
        click.echo(f"Error: {_mail_in(file)} is larger than 10 MiB, and was not read.", err=True)
        return None
    return raw


def _pass_over(opened: IO[Any]) -> None:
    left = _PASSED_OVER
    while left > 0 and (passed := len(opened.read(1024 * 1024))):
        left -= passed


def _store(raw: bytes, found: tuple[Finding, ...]) -> bool:
    """Whether the mail is one of ours to handle. Ends with TRY_AGAIN when it cannot be stored just now."""
    try:
        schema.check()
        signing_keys.record()
        if not proof.is_ours(settings().keys, found):
            return False
        with writing() as session:
            events.record(session, "pipe", events.key_of(raw), raw, moments.now())
    except (SQLAlchemyError, OSError, BadSettings, Refused) as error:
        said = str(error) if isinstance(error, BadSettings | Refused) else "the database does not answer."
        _try_again(f"The mail was not stored, and has to be sent again: {said}")
    return True


def _try_again(sentence: str) -> NoReturn:
    with suppress(OSError):
        click.echo(f"Error: {sentence}", err=True)
    sys.exit(TRY_AGAIN)


def _tell(file: str, found: tuple[Finding, ...], stored: bool | None, *, json: bool) -> None:
    recipients, kind = summary.recipients_of(found), summary.kind_of(found)
    if json:
        told = {"recipients": recipients, "kind": kind} | ({} if stored is None else {"stored": stored})
        _say(json_format.dumps(told, ensure_ascii=False))
        return
    words = {True: "; stored", False: "; nothing proves that it is about a letter of ours, so nothing was stored"}
    _say(f"{_name(file)}: {kind}, {', '.join(recipients) or 'no recipient named'}{words.get(stored, '')}")  # type: ignore[arg-type]


def _say(line: str) -> None:
    """Write the line. A mail that is read a second time, because that failed, is known and stored once."""
    try:
        click.echo(line)
    except OSError as error:
        with suppress(OSError, ValueError):  # else Python tries once more as it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _try_again(f"The answer could not be written: {error.strerror}.")


def _name(file: str) -> str:
    return "standard input" if file == "-" else click.format_filename(file)


def _mail_in(file: str) -> str:
    """The mail in a sentence that a mail server hands on to whoever sent it."""
    return "The mail" if file == "-" else _name(file)
