"""The `verdicts` command: everything that editors and operators do in a terminal."""

import contextlib
import errno
import getpass
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from db import schema, signing_keys
from db.errors import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from db.operators.audit import Actor
from db.refusals import is_lock, refusal
from db.rules import BadAddress, Refused
from db.session import on_commit
from db.setting_errors import BadSettings

COMMANDS = {
    "up": ("web.cli.up", "up"),
    "db": ("web.cli.database", "database"),
    "import": ("web.cli.content", "load"),
    "comparisons": ("web.cli.comparisons", "comparisons"),
    "digest": ("web.cli.digest", "digest"),
    "deliveries": ("web.cli.deliveries", "deliveries"),
    "jobs": ("web.cli.jobs", "jobs"),
    "bounces": ("web.cli.bounces", "bounces"),
    "votes": ("web.cli.votes", "votes"),
    "subscribers": ("web.cli.subscribers", "subscribers"),
    "webhooks": ("web.cli.webhooks", "webhooks_group"),
    "operator": ("web.cli.operator", "operator"),
    "audit": ("web.cli.audit", "audit"),
    "backup": ("web.cli.copies", "backup"),
    "restore": ("web.cli.copies", "restore"),
    "doctor": ("web.cli.doctor", "doctor"),
}
"""Each command and where it lives; only the one that is called is imported."""

BESIDE_ANY_SCHEMA = ("bounces", "db", "doctor", "restore", "up")
"""Commands that check the database's release themselves, so that they also start beside another release's database."""


class Later(click.Group):
    """A group with commands that are imported only when one of them is called; `later` says where each lives."""

    def __init__(self, *given: Any, later: Mapping[str, tuple[str, str]], **named: Any) -> None:
        super().__init__(*given, **named)
        self.later = later

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self.later])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.later:
            return super().get_command(ctx, cmd_name)
        module, name = self.later[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command


class Verdicts(Later):
    """Turns expected errors into one sentence that says what to do, instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.later)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raise WrongSchema for a command on the database of another release or with a foreign key, but not for its
        `--help`."""
        name, command, rest = super().resolve_command(ctx, args)
        if name not in BESIDE_ANY_SCHEMA and "--help" not in rest and not ctx.resilient_parsing:
            schema.check()
            signing_keys.record()
        return name, command, rest

    def main(self, *args: Any, **kwargs: Any) -> Any:
        on_commit(rung.update)
        try:
            return super().main(*args, **kwargs)
        except (BadAddress, Refused, BadSettings) as error:
            fail(str(error))
        except IntegrityError:
            fail("Somebody changed the same thing at this very moment, and nothing was done here. Run it again.")
        except DBAPIError as error:
            if refusal(error) is None and not isinstance(error, OperationalError | ProgrammingError):
                raise
            fail(_about_database(error))
        except OSError as error:
            if error.errno not in _NOT_WRITABLE or error.filename is None:
                raise
            fail(f"{error.filename} cannot be written: {error.strerror}.")
        finally:
            _tell_workers()


_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}

rung: set[str] = set()
"""The queues that this command's commits want to wake. They are published when the command ends, because the process
ends too soon for the thread that publishes them elsewhere."""


def _tell_workers() -> None:
    if rung:
        from worker import bell

        with contextlib.suppress(Exception):  # without Redis, a task of the clock finds the work some seconds later
            for queue in sorted(rung):
                bell.publish(queue)


def actor() -> Actor:
    """Who runs this command, for the audit log: the user's name on this machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number only
        name = str(os.getuid())
    return Actor(f"command: {name}")


note_option = click.option("--note", metavar="TEXT", help="Why; kept in the audit log.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what it would change, and change nothing.")


def at_a_terminal() -> bool:
    """Whether somebody reads the questions of this command and can answer them."""
    return sys.stdin.isatty() and sys.stdout.isatty()


yes_option = click.option("--yes", is_flag=True, help="Do not ask, also at a terminal.")


def ask(question: Callable[[], str], yes: bool) -> None:
    """At a terminal, say what will happen and ask whether to go on; end with exit code 1 if not. A script goes on, and
    so does a command with --yes."""
    if yes or not at_a_terminal():
        return
    if not click.confirm(f"{question()} Go on?"):
        click.echo("Nothing was done.")
        sys.exit(1)


def fail(message: str) -> NoReturn:
    """End with exit code 1 and the message on standard error."""
    click.echo(f"Error: {message}", err=True)
    sys.exit(1)


def _about_database(error: DBAPIError) -> str:
    first = str(error.orig).strip().splitlines()[0]
    if "no such table" in first or "does not exist" in first:
        return f"The database is not set up ({first}). Run: verdicts db upgrade"
    if is_lock(error):
        return f"Somebody else has held the database's lock for too long ({first}). Run it again."
    return f"The database does not answer: {first}"


@click.command(cls=Verdicts, later=COMMANDS)
@click.version_option(schema.RELEASE, prog_name="verdicts")
def main() -> None:
    """A weekly newsletter that compares AI tools, and the vote under each comparison."""


def as_json(value: Any) -> None:
    """Print a value as JSON; moments in ISO 8601."""
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Print rows under their column names, or the sentence `empty` if there are none."""
    from rich.console import Console
    from rich.table import Table

    if not rows:
        click.echo(empty)
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*("" if cell is None else str(cell) for cell in row))
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False, markup=False).print(drawn)


@contextlib.contextmanager
def counting(what: str, total: Callable[[], int]) -> Iterator[Callable[[int], object]]:
    """Show a progress bar if standard error is a terminal; yields a function to call with how many more are done."""
    if not sys.stderr.isatty():
        yield int
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total())
        yield lambda done: bar.advance(task, done)


json_option = click.option("--json", "json", is_flag=True, help="Print JSON.")
