"""How a command says which jobs it means: by number, or by the same filter as the console's page."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from db.jobs.filters import VIEWS, GroupKey, JobFilter

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Since(click.ParamType[datetime]):
    """A moment: a time ago, such as 90m, 24h or 7d, or an ISO 8601 time (UTC without a zone)."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if ago := re.fullmatch(r"(\d{1,6})([mhd])", str(value)):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; write one such as 24h or 2026-11-17T08:00", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


ids_argument = click.argument("ids", metavar="ID…", nargs=-1, type=int)


def filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that choose among jobs, but for --state."""
    for option in (
        click.option("--text", help="Whose error or message holds this text."),
        click.option("--since", type=Since(), help="Failed since: 90m, 24h, 7d, or 2026-11-17T08:00 (UTC)."),
        click.option("--error", help="That failed with this error."),
        click.option("--kind", help="Of this kind."),
    ):
        command = option(command)
    return command


def many(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Numbers, or --all, or a filter; `default` is the state that is meant without --state."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        command = filtered(command)
        for option in (
            click.option("--state", type=click.Choice(VIEWS), help=f"In this state; without it {default}."),
            click.option("--group", "groups", multiple=True, help="Of this group, as `list --group` writes it."),
            click.option("--all", "everything", is_flag=True, help="All that match; without a filter every one."),
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
