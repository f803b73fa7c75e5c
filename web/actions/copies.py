"""Backing the whole database up, restoring it, and copying it into another database."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from db import migrations, moments, schema
from db.copies import copying, files
from db.copies.copying import Tell
from db.copies.files import Contents
from db.engine import elsewhere, same_database
from db.monitoring import heartbeats
from db.operators import audit
from db.operators.audit import Actor
from db.rules import Refused
from db.schema import WrongSchema
from db.session import reading, writing

Counting = Callable[[Callable[[], int]], AbstractContextManager[Tell]]
"""Shows how far a copy is, given how many rows there are."""


def back_up(actor: Actor, path: Path, counting: Counting, note: str | None = None) -> Contents:
    """Write a snapshot of the database into a new file. Raises Refused where the file cannot be written."""
    _refuse_other_release()
    with files.new_file(path) as file:
        with writing() as session:
            audit.record(session, actor, "database.backup", moments.now(), about=f"file {path.name}"[:200], note=note)
        with copying.snapshot() as source, counting(lambda: copying.count(source)) as tell:
            contents = copying.write(source, file, "back-up", tell)
        copying.prove(file, contents)
        file.say(contents)
    return contents


def restore(path: Path, counting: Counting) -> Contents:
    """Fill this database, which must be empty, with a back-up. Raises Refused, and then nothing of it is kept."""
    with files.opened(path) as (source, contents):
        _refuse_filled()
        migrations.upgrade()
        with counting(lambda: contents.rows) as tell, writing() as session:
            copying.fill(source, contents, session, tell)
    return contents


def copy(actor: Actor, url: str, counting: Counting, note: str | None = None) -> Contents:
    """Copy this database into an empty one at `url`. Raises Refused, and then nothing of it is kept."""
    _refuse_other_release()
    if same_database(url):
        raise Refused("--to names this very database; name another one.")
    with elsewhere(url):
        _refuse_filled()
        migrations.upgrade()
    with writing() as session:
        audit.record(session, actor, "database.copy", moments.now(), note=note)
    with (
        copying.snapshot() as source,
        counting(lambda: copying.count(source)) as tell,
        elsewhere(url),
        writing() as session,
    ):
        target = copying.empty_place(session)
        contents = copying.write(source, target, "copy", tell)
        copying.prove(target, contents)
        copying.number_on(target, contents)
    return contents


def _refuse_other_release() -> None:
    found = schema.standing()
    if found.answer != "this":
        raise WrongSchema(found.told)


def _refuse_filled() -> None:
    """Raise Refused if the database holds rows already, or a site runs with it."""
    found = schema.standing()
    if not found.revision:
        return
    if not found.may_run:
        raise WrongSchema(found.told)
    with reading() as session:
        copying.refuse_filled_in(session)
        running = heartbeats.running(session, moments.now())
    if running:
        kinds = ", ".join(sorted({each.kind for each in running}))
        raise Refused(f"Processes of a site run with that database ({kinds}); stop them first.")
