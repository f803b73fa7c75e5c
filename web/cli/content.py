"""`verdicts import`: load content files, all or nothing."""

from datetime import datetime
from pathlib import Path

import click

from db import moments
from db.digests.archive import MANY
from db.session import reading, writing
from web.actions.content import content_files, content_import
from web.actions.content.content_files import BadContent, ContentFile
from web.cli import at_a_terminal, fail


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--archive/--no-archive",
    default=None,
    help=f"Publish them without a digest, or not. Without either, more than {MANY} new ones ask at a terminal.",
)
def load(files: tuple[Path, ...], archive: bool | None) -> None:
    """Load tools, reviews and comparisons from YAML files.

    All or nothing: when anything in any file is wrong, nothing is changed. You can load a file again: what exists is
    updated.
    """
    now = moments.now()
    try:
        read = content_files.read_files(files)
        if archive is None:
            archive = _to_archive(read, now)
        with writing() as session:
            done = content_import.load(session, read, now, archived=archive)
    except BadContent as bad:
        fail("nothing was imported.\n" + "\n".join(bad.problems))
    for sort, counts in done.items():
        told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
        click.echo(f"{sort}: {told or 'none'}")


def _to_archive(read: list[ContentFile], now: datetime) -> bool:
    """Ask at a terminal whether many new comparisons should be archived; elsewhere warn, and go on without."""
    with reading() as session:
        content_import.check_whole(session, read)
        number = content_import.unseen(session, read, now)
    if number <= MANY:
        return False
    if at_a_terminal():
        question = f"{number} comparisons are new and would all stand in the next digest. Archive them instead?"
        return click.confirm(question, default=None)
    click.echo(
        f"Warning: {number} comparisons are new and will all stand in the next digest. To publish them without a "
        "digest, load the same files again with --archive.",
        err=True,
    )
    return False
