"""Writes a job filter into links and hidden fields, and parses it from there."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug.datastructures import MultiDict

from db import moments
from db.jobs.filters import GroupKey, JobFilter
from db.rules import Refused

AGO = {"1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}
_UNITS = {"h": "hours", "d": "days"}
_LARGEST = 2**63 - 1


def filter_of(given: MultiDict[str, str]) -> JobFilter:
    """The filter from a link's or a form's fields. Raises Refused for invalid ones."""
    return JobFilter(
        state=given.get("state") or "dead",
        kind=given.get("kind") or None,
        queue=given.get("queue") or None,
        error=given.get("error") or None,
        since=_moment(given.get("since")),
        text=given.get("text", "").strip()[:200] or None,
        groups=tuple(GroupKey.read(each) for each in given.getlist("group")),
        ids=tuple(_number(each) for each in given.getlist("id")),
        upto=_number(given["upto"]) if given.get("upto") else None,
        until=_moment(given.get("until")),
    )


def of_form(form: MultiDict[str, str]) -> JobFilter:
    """The selection on a page: one row's button, all matching jobs, or the checked rows. Raises Refused for none."""
    found = filter_of(form)
    if only := form.get("only"):
        return replace(found, groups=(GroupKey.read(only),), ids=())
    if form.get("all") == "yes":
        within = tuple(GroupKey.read(each) for each in form.getlist("within"))
        return replace(found, groups=within, ids=())
    if not found.groups and not found.ids:
        raise Refused("Nothing is chosen; check some rows, or all that match.")
    return found


def in_link(chosen: JobFilter) -> dict[str, Any]:
    """The fields of a link or a form that encode the filter."""
    found: dict[str, Any] = {} if chosen.state == "dead" else {"state": chosen.state}
    for name in ("kind", "queue", "error", "text", "upto"):
        if (value := getattr(chosen, name)) is not None:
            found[name] = str(value)
    for name in ("since", "until"):
        if (moment := getattr(chosen, name)) is not None:
            found[name] = moment.isoformat()
    if chosen.groups:
        found["group"] = [str(key) for key in chosen.groups]
    if chosen.ids:
        found["id"] = [str(each) for each in chosen.ids]
    return found


def _number(written: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", written) or int(written) > _LARGEST:
        raise Refused(f"{written!r} is no job's number.")
    return int(written)


def _moment(written: str | None) -> datetime | None:
    if not written:
        return None
    if ago := re.fullmatch(r"(\d{1,4})([hd])", written):
        return moments.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        moment = datetime.fromisoformat(written)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Refused(f"{written!r} is no time; write one such as 24h or 2026-11-17T08:00.") from None
