"""Formats that all console pages use."""

from datetime import datetime

from flask_wtf.csrf import generate_csrf
from markupsafe import Markup

from db import moments
from db.deliveries.accounts import Account
from db.settings import settings
from db.values import duration
from web.operator.frame.access import blueprint

blueprint.add_app_template_global(duration)

_DRAWN = (
    ("sent", ("sent",)), ("defer", ("deferred",)), ("bad", ("failed", "unknown")),
    ("skipd", ("skipped", "cancelled")), ("wait", ("sending", "pending")),
)  # fmt: skip
_GAP = 0.4


@blueprint.app_template_global("csrf")
def csrf_field() -> Markup:
    """The hidden field that every form of the console carries."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())


@blueprint.app_template_global()
def when(moment: datetime | None, seconds: bool = False) -> Markup:
    """A moment in the newsletter's zone: “today 08:14”, “Mon 16 Nov 22:06”, with the year if not this one."""
    if moment is None:
        return Markup('<span class="quiet">—</span>')
    zone = settings().digest_timezone
    local, today = moment.astimezone(zone), moments.now().astimezone(zone)
    day = "today" if local.date() == today.date() else f"{local:%a} {local.day} {local:%b}"
    year = f" {local.year}" if local.year != today.year else ""
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    title = local.isoformat(timespec="seconds")
    return Markup('<time datetime="{0}" title="{0}">{1}{2} {3}</time>').format(title, day, year, clock)


@blueprint.app_template_global()
def account_bar(account: Account) -> list[tuple[str, str, str]]:
    """The parts of a digest's bar: class, left edge and width in percent of the audience."""
    owed = {**account.states, "pending": account.states["pending"] + account.unaddressed}
    total, at, parts = max(1, account.audience), 0.0, []
    for kind, states in _DRAWN:
        share = 100 * sum(owed[state] for state in states) / total
        if share:
            parts.append((kind, f"{at:.2f}%", f"{max(0.3, share - _GAP):.2f}%"))
            at += share
    return parts
