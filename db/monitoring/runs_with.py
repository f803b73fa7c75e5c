"""What a process runs with: the settings in which all processes of a site have to agree."""

from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from db.settings import Settings, variable

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


def _in_words(value: object) -> str:
    return value.key if isinstance(value, ZoneInfo) and value.key else str(value)
