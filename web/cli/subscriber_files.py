"""`verdicts subscribers import` and `export`: readers from a CSV file, and into one."""

import csv
import json as jsons
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import click

from db import moments, private_files
from web.actions.subscribers import subscriber_csv
from web.actions.subscribers import subscribers as actions
from web.actions.subscribers.subscribers import HeldBack
from web.cli import actor, dry_run_option, fail, json_option, note_option

SHOWN = 100
"""How many of those who were held back a terminal shows; --list writes them all."""


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error while it runs; yields a function to call with how many more are done."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)


class HeldBackList:
    """Those whom an import held back, in a temporary file and, if asked for, in a CSV file: they may be a million."""

    def __init__(self, memory: IO[str], out: IO[str] | None) -> None:
        self._memory = memory
        self._rows = csv.writer(out) if out else None
        self.number = 0
        if self._rows:
            self._rows.writerow(("email", "outcome", "because"))

    def add(self, each: HeldBack) -> None:
        self.number += 1
        self._memory.write(jsons.dumps(each) + "\n")
        if self._rows:
            self._rows.writerow(each)

    def __iter__(self) -> Iterator[HeldBack]:
        self._memory.seek(0)
        return (HeldBack(*jsons.loads(line)) for line in self._memory)


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--consent", required=True, help="How they gave their consent; kept as proof with each of them.")
@click.option("--list", "listed", type=click.Path(path_type=Path, dir_okay=False),
              help="A CSV file for everybody who was not added, with the reason.")  # fmt: skip
@note_option
@dry_run_option
@json_option
def import_(file: Path, consent: str, listed: Path | None, note: str | None, dry_run: bool, json: bool) -> None:
    """Import people from a CSV file with a header line and a column email, and optionally time_zone.

    Nothing is imported when anything in the file is wrong. Whoever left, is pending, erased or suppressed, here or by
    the file itself, is not made active but listed. The file may be another newsletter system's export: its columns
    such as state, status, unsubscribed or blacklisted are read, and only a word that means active counts as active.
    """
    if listed and listed.resolve() == file.resolve():
        fail("--list would overwrite the file that is imported. Name another file.")
    try:
        with _progress("Checking", None):
            number = subscriber_csv.check(file)
        with TemporaryFile("w+", encoding="utf-8") as memory, _opened(listed) as out:
            held = HeldBackList(memory, out)
            with _progress("Asking" if dry_run else "Importing", number) as tell:
                if dry_run:
                    done = actions.preview_import(file, tell, held.add)
                else:
                    done = actions.import_csv(actor(), file, consent, moments.now(), tell, held.add, note)
            _print(dict(sorted(done.items())), held, listed, dry_run=dry_run, json=json)
    except subscriber_csv.BadPeople as bad:
        fail("nobody was imported.\n" + "\n".join(bad.problems))


def _opened(listed: Path | None) -> AbstractContextManager[IO[str] | None]:
    if listed is None:
        return nullcontext()
    try:
        return open(listed, "w", encoding="utf-8", newline="", opener=private_files.opener)
    except OSError as error:
        fail(f"nobody was imported: {listed} cannot be written: {error.strerror}.")


def _print(outcomes: dict[str, int], held: HeldBackList, listed: Path | None, *, dry_run: bool, json: bool) -> None:
    if json:
        _print_json({"dry_run": dry_run, "outcomes": outcomes}, held)
        return
    _print_held(held, listed)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) or "The file names nobody."
    click.echo(f"Nothing was changed. It would be: {counted}" if dry_run else counted)


def _print_held(held: HeldBackList, listed: Path | None) -> None:
    for each in islice(held, SHOWN):
        click.echo(f"{'left as it is' if each.still_here else 'not brought back'}: {_line(each)}")
    if held.number > SHOWN:
        where = f"all of them are in {listed}" if listed else "--list FILE writes them all into a file"
        click.echo(f"… and {held.number - SHOWN} more; {where}.")


def _line(each: HeldBack) -> str:
    return f"{each.address}: {each.outcome}" + (f" ({each.because})" if each.because else "")


def _print_json(head: dict[str, Any], held: HeldBackList) -> None:
    """Print the object line by line, because its two lists may be too long to hold in memory."""
    click.echo(jsons.dumps(head, indent=2, ensure_ascii=False)[: -len("\n}")], nl=False)
    for key, here in (("not_brought_back", False), ("still_subscribed", True)):
        click.echo(f',\n  "{key}": [', nl=False)
        between = "\n    "
        for each in held:
            if each.still_here is here:
                click.echo(between + jsons.dumps(_line(each), ensure_ascii=False), nl=False)
                between = ",\n    "
        click.echo("]" if between.startswith("\n") else "\n  ]", nl=False)
    click.echo("\n}")


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file; without it, standard output.")
@note_option
def export(out: Path | None, note: str | None) -> None:
    """Write everybody whose address is known as CSV."""
    now = moments.now()
    if out is None:
        actions.export_all(actor(), sys.stdout, now, lambda _: None, note)
        return
    with (
        open(out, "w", encoding="utf-8", newline="", opener=private_files.opener) as file,
        _progress("Writing", None) as tell,
    ):
        written = actions.export_all(actor(), file, now, tell, note)
    click.echo(f"{written} written to {out}")
