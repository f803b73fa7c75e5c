"""How values are written and read: a weekday with a time, a length of time, an address."""

import ipaddress
import re
import ssl
import unicodedata
from datetime import time, timedelta
from email.utils import getaddresses, parseaddr, quote
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

import idna
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class DayTime(NamedTuple):
    """A weekday (0 is Monday) and a time of day, written `TUE 09:00`."""

    weekday: int
    at: time

    def __str__(self) -> str:
        return f"{DAYS[self.weekday]} {self.at:%H:%M}"

    @classmethod
    def read(cls, value: str) -> "DayTime":
        """The reverse of str(), which takes longer forms of the weekday too. Raises ValueError."""
        found = re.fullmatch(r"([A-Za-z]{3})[a-z]* +([01]?\d|2[0-3]):([0-5]\d)", value.strip())
        if not found or found[1].upper() not in DAYS:
            raise ValueError("this is no weekday with a time")
        return cls(DAYS.index(found[1].upper()), time(int(found[2]), int(found[3])))


def _weekly(value: object) -> object:
    return DayTime.read(value) if isinstance(value, str) else value


_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"(\d{1,6}[dhms])+", value.strip()):
        raise ValueError("this is no length of time")
    return timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([dhms])", value)))


def duration(length: timedelta | None) -> str:
    """A length of time as every page and command shows it: 90 s, 12 min, 3 h 5 min, 2 d 4 h. Smaller units than these
    are left out."""
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


_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""The characters with Unicode's property Bidi_Control. They also reverse the text that follows them on a page."""


def as_line(value: str) -> str:
    """The value without spaces around it, if it is one line."""
    for char in value:
        kind = unicodedata.category(char)
        if kind == "Cc":
            raise ValueError("it holds a control character")
        if kind in ("Zl", "Zp"):
            raise ValueError("it holds a line separator")
        if char in _BIDI:
            raise ValueError("it holds a character that turns the direction of writing")
    return value.strip()


def in_ascii(domain: str) -> str:
    """A domain as the DNS knows it: letters beyond ASCII in punycode (IDNA 2008, with the mapping of UTS 46)."""
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError("its domain cannot be written in the DNS") from None


_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
"""What may stand between the dots of a host's name (RFC 1123, section 2.1)."""


def is_host_name(name: str) -> bool:
    """Whether this can be a host's name in the DNS, in ASCII."""
    return len(name) <= 253 and re.fullmatch(rf"(?:{_LABEL}\.)*{_LABEL}", name) is not None


def _domain(value: str) -> str:
    domain = in_ascii(as_line(value)).removesuffix(".")  # as a zone file has it
    if is_address(domain.strip("[]")):
        raise ValueError("this is an IP address, and no domain")
    if not is_host_name(domain):
        raise ValueError("this is no domain")
    return domain.lower()


def _selector(value: str) -> str:
    selector = as_line(value)
    if "_domainkey" in selector.lower():
        raise ValueError("this is the name of its record; the selector is what stands before ._domainkey")
    if not is_host_name(selector.replace("_", "a")):
        raise ValueError("this is no selector")
    return selector.lower()


def _ehlo(value: str) -> str:
    line = as_line(value)
    address = re.fullmatch(r"\[(?:IPv6:)?(.*)\]", line, re.IGNORECASE)
    if address and is_address(address[1]):
        found = ipaddress.ip_address(address[1])
        return f"[IPv6:{found}]" if found.version == 6 else f"[{found}]"
    if address:
        raise ValueError("what stands in its brackets is no IP address")
    if is_address(line.strip("[]")):
        raise ValueError("an IP address has to stand in brackets")
    return _domain(line)


def is_address(text: str) -> bool:
    """Whether this is an IP address that means the same on each machine (no zone, as in fe80::1%eth0)."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _ip_address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        raise ValueError("this is no IP address") from None


def _mailbox(value: str) -> str:
    line = as_line(value)
    # What stands before a colon would be a group's name (RFC 5322, section 3.4), and lost: nobody means that here.
    with_colon = re.fullmatch(r'([^"<>,;@]*:[^"<>,;@]*?) *<([^<>\s]+)>', line)
    if not with_colon and len(getaddresses([line])) > 1:
        raise ValueError("it holds more than one address, or a name with a comma that stands in no quotes")
    name, address = with_colon.groups() if with_colon else parseaddr(line)
    # The default localhost.localdomain is reserved, and fine until a site sends real mail.
    if not re.fullmatch(r"[a-zA-Z0-9_.+-]+@(localhost|[a-zA-Z0-9_.-]+\.localdomain)", address):
        try:
            valid = validate_email(address, check_deliverability=False, test_environment=True, allow_smtputf8=False)
        except EmailNotValidError as error:
            raise ValueError(str(error).rstrip(".")) from None
        if not valid.domain.isascii():
            address = valid.ascii_email or address
    return named(name, address)


def named(name: str, address: str) -> str:
    """`Name <address>`, quoted where parsing needs it, never encoded."""
    if not name:
        return address
    quoted = f'"{quote(name)}"' if re.search(r'[][()<>@,:;".\\]', name) else name
    return f"{quoted} <{address}>"


def _site(value: str) -> str:
    line = as_line(value)
    try:
        parts = urlsplit(line)
        port = parts.port
    except ValueError:
        raise ValueError("its host and port cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("this is no address of a site")
    if "@" in parts.netloc:
        raise ValueError("it holds a user or a password, which would stand in every letter")
    if parts.path.strip("/") or "?" in line or "#" in line:
        raise ValueError("something follows its host and port; the site has to stand at the root of its host")
    host = in_ascii(parts.hostname)
    if ":" in host:
        host = f"[{host}]"
    elif not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?", host):
        raise ValueError("its host is no name and no IP address")
    if port == 0:
        raise ValueError("its port is no number from 1 to 65535")
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _token(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,200}", value.strip()):
        raise ValueError("it is no token of at least 16 letters and digits")
    return value.strip()


def _topic(value: str) -> str:
    if not re.fullmatch(r"arn:aws(?:-[a-z-]{1,20})?:sns:[a-z0-9-]{1,30}:\d{12}:[A-Za-z0-9_-]{1,256}", value):
        raise ValueError("one of them is no topic of Amazon SNS")
    return value


def _ca_file(path: Path) -> Path:
    try:
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        found.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise ValueError("this file holds no certificate in PEM form") from None
    except OSError as error:
        raise ValueError(f"this file cannot be read ({error.strerror})") from None
    return path.absolute()


def _parts(value: object) -> object:
    """What stands between the commas."""
    if not isinstance(value, str):
        return value
    return tuple(part for each in value.split(",") if (part := each.strip()))


def _field_name(value: str) -> str:
    if not re.fullmatch("[A-Za-z0-9-]{1,70}", value):
        raise ValueError(f"{value!r} is no header field")
    return value.lower()


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


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = []
    for part in filter(None, (each.strip() for each in value.split(","))):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise ValueError(f"{part!r} is no network ({error})") from None
    return tuple(found)


Line = Annotated[str, AfterValidator(as_line)]
Token = Annotated[str, AfterValidator(_token)]
"""A bearer token (RFC 6750 2.1)."""
Topics = Annotated[tuple[Annotated[str, AfterValidator(_topic)], ...], BeforeValidator(_parts)]
"""Topics of Amazon SNS, by their resource names."""
Domain = Annotated[str, AfterValidator(_domain)]
EhloName = Annotated[str, AfterValidator(_ehlo)]
"""A domain, or an IP address in brackets (RFC 5321, section 4.1.3)."""
IpAddress = Annotated[str, AfterValidator(_ip_address)]
Selectors = Annotated[tuple[Annotated[str, AfterValidator(_selector)], ...], BeforeValidator(_parts)]
"""Names under which DKIM keys are published (RFC 6376, section 3.1)."""
Paths = Annotated[tuple[Path, ...], BeforeValidator(_parts)]
FieldNames = Annotated[tuple[Annotated[str, AfterValidator(_field_name)], ...], BeforeValidator(_parts)]
"""Names of header fields, in lower case."""
Mailbox = Annotated[str, AfterValidator(_mailbox)]
SiteUrl = Annotated[str, AfterValidator(_site)]
CaFile = Annotated[Path, AfterValidator(_ca_file)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Seconds = Annotated[int, BeforeValidator(_seconds)]
WeeklyTime = Annotated[DayTime, BeforeValidator(_weekly)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]
Rates = Annotated[tuple[tuple[str, float], ...], BeforeValidator(_rates)]
"""Pairs of a domain and its letters per second."""
