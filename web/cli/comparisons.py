"""`verdicts comparisons`: which of them the next digest takes, and which are published without one."""

import click

from db import moments
from db.digests import archive as archived
from db.rules import Refused
from db.session import reading
from web.actions.content import comparisons as actions
from web.cli import actor, as_json, dry_run_option, json_option, note_option, table

slugs_argument = click.argument("slugs", metavar="SLUG…", nargs=-1)


@click.group()
def comparisons() -> None:
    """Comparisons that stand in no digest yet."""


@comparisons.command(name="list")
@json_option
def list_(json: bool) -> None:
    """Published comparisons that the next digest takes, newest first; the archive is left out."""
    with reading() as session:
        rows = [
            {"slug": each.slug, "heading": each.heading, "publish_at": each.publish_at,
             "passed_over": each.passed_over_at is not None}
            for each in archived.listed(session, moments.now())
        ]  # fmt: skip
    if json:
        as_json(rows)
        return
    shown = [
        (row["slug"], row["heading"], f"{row['publish_at']:%Y-%m-%d}", "passed over" if row["passed_over"] else "")
        for row in rows
    ]
    table(("slug", "heading", "published", ""), shown, "No comparison is new.")


@comparisons.command()
@slugs_argument
@click.option("--passed-over", is_flag=True, help="All that earlier releases left out of every digest.")
@dry_run_option
@note_option
def archive(slugs: tuple[str, ...], passed_over: bool, dry_run: bool, note: str | None) -> None:
    """Leave comparisons out of digests; readers still find them on the web."""
    if bool(slugs) == passed_over:
        raise Refused("Name the comparisons by slug, or give --passed-over.")
    now = moments.now()
    if dry_run:
        with reading() as session:
            named = [each.slug for each in archived.passed_over(session, now)] if passed_over else slugs
            _say(archived.to_archive(session, named), "would be archived; nothing was done")
    elif passed_over:
        _say(actions.archive_passed_over(actor(), now, note=note), "archived")
    else:
        _say(actions.archive(actor(), slugs, now, note=note), "archived")


@comparisons.command()
@slugs_argument
@note_option
def unarchive(slugs: tuple[str, ...], note: str | None) -> None:
    """Let the next digest take archived comparisons after all."""
    if not slugs:
        raise Refused("Name the comparisons by slug.")
    _say(actions.unarchive(actor(), slugs, moments.now(), note=note), "taken out of the archive")


def _say(slugs: list[str], done: str) -> None:
    for slug in slugs:
        click.echo(slug)
    click.echo(f"{len(slugs)} comparison{'' if len(slugs) == 1 else 's'} {done}.")
