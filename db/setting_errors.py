"""What is wrong with a setting: which variable, why, and what to write instead."""

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic.fields import FieldInfo


class BadSettings(ValueError):
    """Invalid settings; the message names each variable, what is wrong, and what to write instead."""


_HIDDEN = {
    "SECRET_KEY", "DATABASE_URL", "REDIS_URL", "MAIL_URL", "MAIL_TOKEN_COMMAND", "INBOX_URL", "INBOX_TOKEN_COMMAND",
    "METRICS_TOKEN", "WEBHOOK_SECRET",
}  # fmt: skip
"""Settings that may hold a password: errors, which reach logs and terminals, do not show their values."""

_PLAIN = {
    "int_parsing": "this is no whole number",
    "float_parsing": "this is no number",
    "bool_parsing": "this is neither yes nor no",
    "literal_error": "this is not known",
    "zoneinfo_str": "there is no such zone",
    "less_than_equal": "this is too much",
    "greater_than_equal": "this is too little",
    "string_unicode": "it is not written in UTF-8",
    "string_too_long": "this is too long",
}


def in_words(error: ValidationError, fields: Mapping[str, FieldInfo]) -> list[str]:
    """A line for each variable that is wrong; `fields` are the settings by their variables."""
    lines = []
    for problem in error.errors(include_url=False):
        why = _PLAIN.get(problem["type"], problem["msg"].removeprefix("Value error, "))
        if problem["type"] == "default_factory_not_called":
            continue  # the setting that it depends on has its own error
        if not problem["loc"]:
            lines.append(why)
            continue
        name = str(problem["loc"][0]).upper()
        extra = fields[name].json_schema_extra
        hidden = name in _HIDDEN or (name == "BASE_URL" and "@" in str(problem["input"]))
        given = "" if hidden else f" is {problem['input']!r}"
        lines.append(f"{name}{given}: {why}. Write {dict(extra)['write']}." if isinstance(extra, dict) else why)
    return lines
