"""How values are written and read: a weekday with a time, a length of time, an address."""

import re
from datetime import time, timedelta
from email.utils import parseaddr, quote
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class DayTime(NamedTuple):
    """A weekday (0 is Monday) and a time of day, written `TUE 09:00`."""

    weekday: int
    at: time

    def __str__(self) -> str:
        return f"{DAYS[self.weekday]} {self.at:%H:%M}"


def _weekly(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"([A-Za-z]{3})[a-z]* +([01]?\d|2[0-3]):([0-5]\d)", value.strip())
    if not found or found[1].upper() not in DAYS:
        raise ValueError("this is no weekday with a time")
    return DayTime(DAYS.index(found[1].upper()), time(int(found[2]), int(found[3])))


_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"(\d{1,6}[dhms])+", value.strip()):
        raise ValueError("this is no length of time")
    return timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([dhms])", value)))


def duration(length: timedelta | None) -> str:
    """A length of time as operators read it, everywhere: 90 s, 12 min, 3 h 5 min, 2 d 4 h; what is less is left out."""
    seconds = max(0, int(length.total_seconds())) if length else 0
    if seconds < 120:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min"
    parts = ((hours, "h"), (minutes % 60, "min")) if hours < 48 else ((days, "d"), (hours % 24, "h"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _seconds(value: object) -> object:
    return value.strip().removesuffix("s").strip() if isinstance(value, str) else value


def _line(value: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError("it holds a control character")
    return value.strip()


def _domain(value: str) -> str:
    if not re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9-]+", _line(value)):
        raise ValueError("this is no domain")
    return value.strip().lower()


def _mailbox(value: str) -> str:
    name, address = parseaddr(_line(value))
    # A new site's localhost.localdomain is reserved, and right as long as it mails nobody.
    if not re.fullmatch(r"[\w.+-]+@(localhost|[\w.-]+\.localdomain)", address):
        try:
            validate_email(address, check_deliverability=False, test_environment=True, allow_smtputf8=False)
        except EmailNotValidError as error:
            raise ValueError(str(error).rstrip(".")) from None
    return named(name, address)


def named(name: str, address: str) -> str:
    """`Name <address>` as a person writes it: quoted where it would not be read back, never encoded."""
    if not name:
        return address
    quoted = f'"{quote(name)}"' if re.search(r'[][()<>@,:;".\\]', name) else name
    return f"{quoted} <{address}>"


def _site(value: str) -> str:
    parts = urlsplit(_line(value))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("this is no address of a site")
    return value.strip().rstrip("/")


def url(*schemes: str) -> AfterValidator:
    """Takes an address that begins with one of these schemes."""

    def check(value: str) -> str:
        if urlsplit(_line(value)).scheme.removesuffix("+psycopg") not in schemes:
            raise ValueError("it begins with none of " + ", ".join(f"{scheme}:" for scheme in schemes))
        return value.strip()

    return AfterValidator(check)


def _rates(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = {}
    for part in value.split(","):
        domain, _, rate = part.strip().partition("=")
        if not re.fullmatch(r"\d+(\.\d+)?", rate.strip()) or float(rate) <= 0:
            raise ValueError(f"{part.strip()!r} is no domain with a rate")
        found[_domain(domain)] = float(rate)
    return tuple(found.items())


Line = Annotated[str, AfterValidator(_line)]
Domain = Annotated[str, AfterValidator(_domain)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
SiteUrl = Annotated[str, AfterValidator(_site)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Seconds = Annotated[int, BeforeValidator(_seconds)]
WeeklyTime = Annotated[DayTime, NoDecode, BeforeValidator(_weekly)]
Rates = Annotated[tuple[tuple[str, float], ...], NoDecode, BeforeValidator(_rates)]
"""Domains and letters a second, in pairs."""
