"""How a command says which jobs it means: by number, or by the same filter as the console's page."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from db import moments
from db.jobs.filters import VIEWS, GroupKey, JobFilter

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Since(click.ParamType[datetime]):
    """A moment: a time ago, such as 90m, 24h or 7d, or an ISO 8601 time (UTC without a zone)."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if ago := re.fullmatch(r"(\d{1,6})([mhd])", str(value)):
            return moments.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; write one such as 24h or 2026-11-17T08:00", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


ids_argument = click.argument("ids", metavar="ID…", nargs=-1, type=int)


def filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that filter jobs, except --state."""
    for option in (
        click.option("--text", help="Only jobs whose error or message contains this text."),
        click.option(
            "--since", type=Since(), help="Only jobs that failed since: 90m, 24h, 7d, or 2026-11-17T08:00 (UTC)."
        ),
        click.option("--error", help="Only jobs that failed with this error."),
        click.option("--kind", help="Only jobs of this kind."),
    ):
        command = option(command)
    return command


def many(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Options that choose jobs by number, by a filter or with --all; `default` is the state without --state."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        command = filtered(command)
        for option in (
            click.option(
                "--state", type=click.Choice(VIEWS), help=f"Only jobs in this state; without it, {default} ones."
            ),
            click.option(
                "--group", "groups", multiple=True, help="Only jobs of this group, as `list --group` prints it."
            ),
            click.option(
                "--all", "everything", is_flag=True, help="All jobs that match; without a filter, all in that state."
            ),
        ):
            command = option(command)
        return ids_argument(command)

    return decorate


def chosen_by(
    default: str, state: str | None, kind: str | None, error: str | None, since: datetime | None, text: str | None,
    groups: tuple[str, ...] = (),
) -> JobFilter:  # fmt: skip
    """The filter that a command's options make."""
    keys = tuple(GroupKey.read(each) for each in groups)
    return JobFilter(state or default, kind, None, error, since, text, keys)
