"""`verdicts import`: load content files, all or nothing."""

from datetime import UTC, datetime
from pathlib import Path

import click

from db.session import writing
from web.actions import content_files
from web.actions.content_files import BadContent
from web.cli import fail


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def load(files: tuple[Path, ...]) -> None:
    """Load tools, reviews and comparisons from YAML files.

    All or nothing: when anything in any file is wrong, nothing is changed. You can load a file again: what exists is
    updated.
    """
    try:
        read = content_files.read_files(files)
        with writing() as session:
            done = content_files.load(session, read, datetime.now(UTC))
    except BadContent as bad:
        fail("nothing was imported.\n" + "\n".join(bad.problems))
    for sort, counts in done.items():
        told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
        click.echo(f"{sort}: {told or 'none'}")
