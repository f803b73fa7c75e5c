"""What a process runs with: the settings in which the processes of a site have to agree, and which of them differ."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from db import private_files
from db.secret_key import print_of
from db.setting_errors import BadSettings
from db.settings import VAR, Settings, variable
from db.values import DayTime

Value = TypeVar("Value")

_PAGES_AND_LETTERS = ("web", "worker", "sender")
AGREED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "secret_key": ("web", "worker", "sender", "clock", "outside"),
        **dict.fromkeys(("base_url", "site_name", "mail_postal_address"), _PAGES_AND_LETTERS),
        **dict.fromkeys(("mail_url", "mail_from", "mail_reply_to", "mail_bounce_domain", "mail_verp"), ("sender",)),
        "inbox_url": ("sender", "outside"),
        **dict.fromkeys(("dkim_domain", "dkim_selectors", "dkim_key_files", "dkim_signed"), ("sender",)),
        **dict.fromkeys(("digest_schedule", "digest_timezone"), ("web", "worker", "sender", "clock")),
        **dict.fromkeys(("digest_lead", "digest_lateness", "digest_local_time"), _PAGES_AND_LETTERS),
        **dict.fromkeys(("send_rate", "send_daily"), _PAGES_AND_LETTERS),  # web and worker say how long a digest takes
        **dict.fromkeys(("send_connections", "send_window", "send_lease", "send_domain_rates"), ("sender",)),
        "on_unknown": ("sender",),
        **dict.fromkeys(("votes_per_network", "signups_per_network", "signups_per_address"), ("web",)),
        "operator_two_factor": ("web",),
        "ses_topics": ("web",),
        "outside_networks": ("web", "outside"),  # web says of a URL that is typed whether it will do
        **dict.fromkeys(("alert_age", "alert_failures"), ("web", "worker")),
    }
)
"""Each setting in which processes have to agree, and the kinds of those that use it: others may run with anything."""
OWN = (
    "port", "web_host", "trusted_proxies", "database_url", "redis_given", "redis_ca_file",
    "mail_token_command", "inbox_token_command", "mail_ehlo", "metrics_token", "webhook_secret", "log_format",
)  # fmt: skip
"""Settings that each host may have its own value of: a port, the proxies in front of it, its way to a server."""


def of(config: Settings) -> dict[str, str]:
    """Each agreed variable with its value in words: prints of keys, and of MAIL_URL and INBOX_URL (they hold
    passwords) the kind. None of it may be a secret, since it is stored in the database."""
    values = {variable(field): _in_words(getattr(config, field)) for field in AGREED}
    keys = {"SECRET_KEY": _prints(config), "DKIM_KEY_FILE": _prints_of_files(config.dkim_key_files)}
    return {**values, **keys, "MAIL_URL": mail_kind(config), "INBOX_URL": _inbox_kind(config)}


def mail_kind(config: Settings) -> str:
    """`maildir` or `smtp`, however its connection is encrypted."""
    return "maildir" if config.outbox is not None else urlsplit(config.mail_url).scheme[:4]


def _inbox_kind(config: Settings) -> str:
    return (config.inbox_url or "").partition(":")[0].lower()


def _prints(config: Settings) -> str:
    try:
        return "" if config.would_make_a_key else ", ".join(map(print_of, config.keys))
    except BadSettings:
        return ""


def _prints_of_files(files: Iterable[Path]) -> str:
    return ", ".join(_print_of_dkim_key(each.absolute()) for each in files)


@lru_cache(maxsize=8)
def _print_of_dkim_key(file: Path) -> str:
    """A print of the public key that belongs to a private one, however its file is written. It is read once, as the
    sender reads it."""
    from cryptography.hazmat.primitives import serialization  # few processes have such a key

    try:
        public = serialization.load_pem_private_key(file.read_bytes(), password=None).public_key()
    except (OSError, ValueError, TypeError):
        return "unreadable"
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(public.public_bytes(*form)).hexdigest()[:16]


def _in_words(value: object) -> str:
    if isinstance(value, tuple) and not isinstance(value, DayTime):
        return ", ".join(f"{each[0]}={each[1]:g}" if isinstance(each, tuple) else str(each) for each in value)
    return "" if value is None else value.key if isinstance(value, ZoneInfo) and value.key else str(value)


# ---- who differs ---------------------------------------------------------------------------------------------

RESTART = timedelta(seconds=30)
"""How long two processes have to live side by side to count as two: one that a restart replaced is silent by then."""


class Lived(NamedTuple, Generic[Value]):
    """From when to when a process has lived, so far as is known, and what it runs with."""

    process: str
    since: datetime
    until: datetime
    value: Value


def side_by_side(lived: Iterable[Lived[Value]]) -> dict[str, Value]:
    """The processes with their values, of those that differ from another one beside which they live; none while they
    agree, or while one that was restarted still seems to live."""
    known = list(lived)
    if len({each.value for each in known}) < 2:
        return {}
    return {each.process: each.value for each in known if any(_differ(each, other) for other in known)}


def _differ(one: Lived[Value], other: Lived[Value]) -> bool:
    return one.value != other.value and min(one.until, other.until) > max(one.since, other.since) + RESTART


# ---- while nothing runs ----------------------------------------------------------------------------------------

LEFT = VAR / "settings.json"
"""What `verdicts up` ran with last in this folder, for commands while none of its processes has a heartbeat."""


def leave(config: Settings) -> None:
    """Write it down beside `var/redis.url`."""
    with open(LEFT, "w", encoding="utf-8", opener=private_files.opener) as file:
        json.dump(of(config), file, indent=2)


def left() -> dict[str, str]:
    """What was written down; nothing if there is nothing that can be read."""
    try:
        found = json.loads(LEFT.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
