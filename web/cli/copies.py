"""`verdicts backup`, `restore` and `db copy`: the whole database in a file, out of it, and into another database."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from db import moments, schema, signing_keys, urls
from db.copies.files import Contents
from db.schema import RELEASE
from db.setting_errors import BadSettings
from db.signing_keys import ForeignSigningKey
from web.actions import confirm_copy
from web.actions import copies as actions
from web.cli import actor, as_json, ask, counting, json_option, note_option, yes_option
from web.cli import copies_told as told

WAITS = "It sends nothing until you run: verdicts restore confirm"

file_argument = click.argument("file", type=click.Path(path_type=Path))


def _counting(what: str) -> actions.Counting:
    counts: Callable[[Callable[[], int]], AbstractContextManager[Any]] = partial(counting, what)
    return counts


@click.command()
@file_argument
@note_option
@json_option
def backup(file: Path, note: str | None, json: bool) -> None:
    """Write the whole database into a new file, as it is at one instant, while the site runs.

    The file holds everything, readers' addresses too, and is readable for its owner alone. Signing keys are not in it:
    keep SECRET_KEY, or var/secret_key, apart.
    """
    contents = actions.back_up(actor(), file, _counting("Rows"), note)
    _say(contents, json, f"{file} holds the database as of {contents.copied_at:%Y-%m-%d %H:%M:%S} UTC")


class RestoreGroup(click.Group):
    """`verdicts restore FILE` and `verdicts restore confirm`: whatever is no subcommand is a file."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "FILE", restore_file, args

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[--json] FILE")
        formatter.write_usage(ctx.command_path, "confirm [--old URL] [--yes] [--json]")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Options may come before FILE, as with every command."""
        return super().parse_args(ctx, sorted(args, key=lambda each: each.startswith("--json")))


@click.command(cls=RestoreGroup)
def restore() -> None:
    """Fill a new database with a back-up; then confirm that it takes over.

    The database that DATABASE_URL names must be empty or not exist yet; it may be of either kind. All of the file is
    restored, or nothing. The restored database sends nothing until you run: verdicts restore confirm
    """


@click.command()
@file_argument
@json_option
def restore_file(file: Path, json: bool) -> None:
    contents = actions.restore(file, _counting("Rows"))
    _say(contents, json, f"Restored as of {contents.copied_at:%Y-%m-%d %H:%M:%S} UTC", *_about_keys(), WAITS)


@restore.command()
@click.option("--old", metavar="URL", help="The database that this one was copied from, to ask what happened since.")
@yes_option
@note_option
@json_option
def confirm(old: str | None, yes: bool, note: str | None, json: bool) -> None:
    """Let a restored or copied database send, after listing who left, was erased or complained since.

    With --old, whoever departed there is let go here, each letter gets the outcome that it has there, and the old
    database sends nothing any more. Without it, nothing that was on its way at the copy is sent: those letters become
    unknown, and drafts are held, until somebody decides.
    """
    schema.check()
    signing_keys.record()
    old, now = checked(old, "--old") if old else None, moments.now()
    found = confirm_copy.look(old, now)
    if not json:
        for line in told.before(found):
            click.echo(line)
    ask(lambda: "This database will send from now on.", yes)
    done = confirm_copy.confirm(actor(), found, old, now, note)
    if json:
        as_json({"found": told.as_dict(found), "done": asdict(done)})
        return
    for line in told.after(done):
        click.echo(line)


def _about_keys() -> list[str]:
    """A sentence if this process may not go on with the restored database, since it lacks the site's key."""
    try:
        signing_keys.forget_checks()
        signing_keys.check()
    except (ForeignSigningKey, BadSettings) as error:
        return [f"But no process can work with it yet. {error}"]
    return []


@click.command(name="copy")
@click.option("--to", "url", required=True, metavar="URL", help="A new database, such as postgresql://host/verdicts.")
@note_option
@json_option
def copy(url: str, note: str | None, json: bool) -> None:
    """Copy the whole database into a new one of either kind, for instance from SQLite to PostgreSQL.

    Stop the site first if the new database is to take over. Counts and checksums of every table are compared.
    """
    contents = actions.copy(actor(), checked(url, "--to"), _counting("Rows"), note)
    _say(contents, json, f"Copied as of {contents.copied_at:%Y-%m-%d %H:%M:%S} UTC", WAITS)


def checked(url: str, option: str) -> str:
    """A database's URL from the command line."""
    try:
        return urls.check_database(url)
    except ValueError as error:
        raise click.UsageError(f"{option} cannot be used: {error}.") from None


def _say(contents: Contents, json: bool, first: str, *more: str) -> None:
    if json:
        tables = {name: {"rows": each.rows, "checksum": each.checksum} for name, each in contents.sums.items()}
        as_json({"copied_at": contents.copied_at, "release": contents.release, "revision": contents.revision,
                 "rows": contents.rows, "tables": tables, "told": list(more)})  # fmt: skip
        return
    click.echo(
        f"{first}: {contents.rows:,} rows in {len(contents.sums)} tables, counts and checksums agree "
        f"(release {RELEASE}, revision {contents.revision})."
    )
    for sentence in more:
        click.echo(f"{sentence}")
