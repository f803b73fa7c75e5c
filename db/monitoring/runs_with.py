"""What a process runs with: the settings in which all processes of a site have to agree."""

import json
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from db import private_files
from db.settings import VAR, Settings, variable

AGREED = (
    "base_url", "site_name", "mail_from", "mail_postal_address",
    "digest_schedule", "digest_timezone", "digest_lead", "digest_lateness", "digest_local_time",
    "send_daily",
)  # fmt: skip
"""None of these may be a secret, since their values are stored in the database."""


def of(config: Settings) -> dict[str, str]:
    """Each variable with its value in words; of MAIL_URL, which may hold a password, only its kind."""
    values = {variable(field): _in_words(getattr(config, field)) for field in AGREED}
    return {**values, "MAIL_URL": mail_kind(config)}


def mail_kind(config: Settings) -> str:
    """`maildir` or `smtp`, however its connection is encrypted."""
    return "maildir" if config.outbox is not None else urlsplit(config.mail_url).scheme[:4]


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


def _in_words(value: object) -> str:
    return value.key if isinstance(value, ZoneInfo) and value.key else str(value)
